"""The text form of graphs: grammar, printer and parser."""
