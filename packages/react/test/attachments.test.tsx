import type { Attachment, AttachmentLink, Message, ParleyClient } from '@parley/client';
import { renderToString } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { kindOf, voiceOf } from '../src/attachment-kind.ts';
import { Attachments, endingOf } from '../src/attachments.tsx';
import { resample } from '../src/audio-player.tsx';
import { briefOf } from '../src/conversation-list.tsx';
import { createFormats } from '../src/format.ts';
import { ParleyProvider } from '../src/provider.tsx';
import { stretchesOf } from '../src/search.ts';
import { englishTexts } from '../src/texts.ts';
import { messageOf } from './fixtures.ts';

const file = (change: Partial<Attachment> = {}): Attachment => ({
  id: 'f',
  fileName: 'a.pdf',
  mimeType: 'application/pdf',
  size: 3_400_000,
  width: null,
  height: null,
  durationMs: null,
  hasThumbnail: false,
  url: '/f',
  thumbnailUrl: null,
  ...change,
});
const photo = (id: string, width = 1600, height = 1000) =>
  file({ id, fileName: `${id}.jpg`, mimeType: 'image/jpeg', width, height, hasThumbnail: true, thumbnailUrl: '/t' });

describe('what a file is shown as', () => {
  it('a picture only where it has a size and a thumbnail, so that nothing jumps', () => {
    expect(kindOf(photo('p'))).toBe('picture');
    expect(kindOf(file({ mimeType: 'image/tiff' }))).toBe('file');
    expect(kindOf(file({ mimeType: 'audio/mpeg' }))).toBe('audio');
    expect(kindOf(file({ mimeType: 'video/mp4' }))).toBe('video');
    expect(kindOf(file())).toBe('file');
  });

  it('a voice message is sound, whatever its container; other metadata is passed over', () => {
    const voice = voiceOf({ voice: { durationMs: 1200, waveform: [0, 0.5, 1] } });
    expect(voice).toEqual({ durationMs: 1200, waveform: [0, 0.5, 1] });
    expect(kindOf(file({ mimeType: 'video/webm' }), voice)).toBe('audio');
    for (const voice of [null, 1, [], {}, { durationMs: '1', waveform: [] }, { durationMs: 1, waveform: ['x'] }]) {
      expect(voiceOf({ voice } as Message['metadata'])).toBeNull();
    }
    expect(voiceOf({ voice: { durationMs: 1, waveform: Array(201).fill(0) } })).toBeNull();
    expect(voiceOf(null)).toBeNull();
  });

  it('in a line: the text, else what is carried', () => {
    const brief = (change: Partial<Message>) => briefOf(messageOf(1, 0, 'ada', change), englishTexts);
    expect(brief({ content: '**bold** words', attachments: [photo('p')] })).toBe('bold words');
    expect(brief({ content: '', attachments: [photo('p')] })).toBe('Photo');
    expect(brief({ content: '', attachments: [photo('p'), photo('q')] })).toBe('2 photos');
    expect(brief({ content: '', attachments: [file()] })).toBe('a.pdf');
    expect(brief({ content: '', attachments: [file(), photo('p')] })).toBe('2 files');
    const metadata = { voice: { durationMs: 1, waveform: [1] } };
    expect(brief({ content: '', attachments: [file()], metadata })).toBe('Voice message');
    expect(brief({ content: null })).toBe('This message was deleted');
  });
});

describe('Attachments', () => {
  const waiting = { attachmentLink: () => new Promise<AttachmentLink>(() => {}) } as unknown as ParleyClient;
  const show = (...attachments: Attachment[]) =>
    renderToString(
      <ParleyProvider client={waiting}>
        <Attachments attachments={attachments} />
      </ParleyProvider>,
    );

  it('show what a picture will look like until it is there', () => {
    const html = show({ ...photo('beach'), placeholder: 'FQcGBYAXl4d/d3eHh3eIh4eHh/d3+Hg=' });
    expect(html).toMatch(/inline-size:320px;aspect-ratio:320 \/ 200;background-image:url\(data:image\/png;base64,/);
    for (const placeholder of ['', 'AAA=', 'no base64!']) {
      expect(show({ ...photo('beach'), placeholder })).not.toContain('background-image');
    }
  });

  it('draw how loud a recording is, where that is known', () => {
    const sound = file({ mimeType: 'audio/mpeg', durationMs: 2_000 });
    expect(show(sound)).not.toContain('parley-audio-bars');
    const bars = show({ ...sound, waveform: [0, 50, 100] }).match(/block-size:\d+%/g);
    expect([bars?.[0], bars?.at(-1)]).toEqual(['block-size:10%', 'block-size:100%']);
  });

  it('keep the shape of a picture before it is there, on the server too', () => {
    const client = { attachmentLink: () => new Promise<AttachmentLink>(() => {}) } as unknown as ParleyClient;
    const html = renderToString(
      <ParleyProvider client={client}>
        <Attachments attachments={[photo('beach'), file({ fileName: '<b>.pdf' })]} onOpen={() => {}} />
      </ParleyProvider>,
    );
    expect(html).toContain('aria-label="Open beach.jpg"');
    expect(html).toMatch(/inline-size:320px;aspect-ratio:320 \/ 200/);
    expect(html).toContain('&lt;b&gt;.pdf');
    expect(html).toContain('3.4 MB');
    expect(html).not.toContain('<img');
    expect(html).not.toContain('background-image');
  });

  it('need no client to be drawn', () => {
    expect(renderToString(<Attachments attachments={[file()]} />)).toContain('a.pdf');
  });
});

describe('sizes, lengths, names', () => {
  const formats = createFormats('en', englishTexts);
  it('are told as people tell them', () => {
    expect(formats.bytes(1)).toBe('1 byte');
    expect(formats.bytes(999)).toBe('999 bytes');
    expect(formats.bytes(1_500)).toBe('1.5 kB');
    expect(formats.bytes(26_214_400)).toBe('26.2 MB');
    expect(formats.bytes(5e12)).toBe('5,000 GB');
    expect(formats.duration(65_400)).toBe('1:05');
    expect(formats.duration(0)).toBe('0:00');
    expect(endingOf('a.tar.gz')).toBe('gz');
    expect(endingOf('a file. And more')).toBe('');
  });

  it('a waveform keeps its loudest of each stretch', () => {
    expect(resample([0, 1, 0, 0.5], 2)).toEqual([1, 0.5]);
    expect(resample([0.3], 3)).toEqual([0.3, 0.3, 0.3]);
  });
});

describe('what was found', () => {
  const of = (content: string, ...highlights: [number, number][]) =>
    stretchesOf({ content, highlights: highlights.map(([start, end]) => ({ start, end })) });

  it('is marked in the text, and nothing else of the text changes', () => {
    expect(of('a <b> & lighthouse', [8, 18])).toEqual([
      { text: 'a <b> & ', found: false },
      { text: 'lighthouse', found: true },
    ]);
    expect(of('no highlight')).toEqual([{ text: 'no highlight', found: false }]);
    expect(of('')).toEqual([]);
  });

  it('begins shortly before the first place, at a word', () => {
    const long = `${'word '.repeat(30)}found here`;
    const [lead, before, hit, after] = of(long, [150, 155]);
    expect(lead).toEqual({ text: '… ', found: false });
    expect(before!.text.startsWith('word ')).toBe(true);
    expect(before!.text.length).toBeLessThan(40);
    expect([hit, after]).toEqual([
      { text: 'found', found: true },
      { text: ' here', found: false },
    ]);
  });

  it('is found in a word without end, too', () => {
    const [lead, hit] = of(`${'x'.repeat(100)}found`, [100, 105]);
    expect([lead!.text, hit]).toEqual(['… ', { text: 'found', found: true }]);
  });
});
