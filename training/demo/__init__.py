"""The tour: what `oneway demo` runs, and the report that it leaves."""
