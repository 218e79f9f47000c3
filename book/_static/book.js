// From a folder on disk a browser may not fetch the pages that the search found, so only their titles are listed.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
