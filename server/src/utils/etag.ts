/** Whether an `If-None-Match` header names this tag, by weak comparison (RFC 9110, 13.1.2): `W/` counts for nothing. */
export function namesTag(header: string, etag: string): boolean {
  const plain = (tag: string): string => tag.trim().replace(/^W\//, '');
  return header.trim() === '*' || header.split(',').some((tag) => plain(tag) === plain(etag));
}
