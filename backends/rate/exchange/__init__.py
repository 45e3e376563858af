"""Networks of other people: torch modules in, plain modules and ONNX files out."""
