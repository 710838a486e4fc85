"""The only files that touch private names of other libraries."""
