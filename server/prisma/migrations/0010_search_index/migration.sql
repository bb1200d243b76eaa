-- The indexer writes behind the sends and may take its time. A list of entries still to be sorted in would only be read by
-- every search, and now and then hold up whoever has to empty it.
ALTER INDEX "SearchEntry_words_idx" SET (fastupdate = off);
