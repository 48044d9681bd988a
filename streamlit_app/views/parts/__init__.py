"""Parts of the pages, a file each."""
