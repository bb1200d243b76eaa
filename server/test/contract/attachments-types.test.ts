import { describe, expect, it } from 'vitest';
import { blackPng, type Caller, PDF, upload } from '../support/files.ts';
import { useWorld } from '../support/world.ts';

describe('UPLOAD_TYPES', () => {
  const world = useWorld({ env: { UPLOAD_TYPES: 'image/*,application/pdf' } });
  const caller = (): Caller => ({ url: world.app.url, user: 'ann' });
  const bytes = (text: string) => new TextEncoder().encode(text);

  it('takes what is listed, by what is in the file', async () => {
    const pdf = await upload(caller(), Uint8Array.from(PDF), 'a.txt');
    expect([pdf.status, pdf.body.mimeType]).toEqual([201, 'application/pdf']);
    const png = await upload(caller(), await blackPng(4, 4), 'b.pdf');
    expect([png.status, png.body.mimeType]).toEqual([201, 'image/png']);
  });

  it.each([
    ['a text under the name of a picture', 'just words', 'picture.png'],
    ['a page', '<!doctype html><script>alert(1)</script>', 'a.pdf'],
    ['an archive', 'PK\u0003\u0004', 'a.pdf'],
  ])('refuses %s, and keeps nothing of it', async (_, text, name) => {
    const refused = await upload(caller(), bytes(text), name);
    expect([refused.status, refused.body.code]).toEqual([415, 'unsupported_media_type']);
    expect(await world.prisma.attachment.count({ where: { fileName: name, deletedAt: null } })).toBe(0);
  });
});
