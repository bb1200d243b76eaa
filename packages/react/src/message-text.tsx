import { Fragment, memo, type ReactNode, useState } from 'react';
import { classNames } from './class-names.ts';
import { type Block, type Inline, isEmojiOnly, type Mentionable, parseMarkdown } from './markdown.ts';
import { useParleyTexts } from './provider.tsx';

/** What `MessageText` takes. */
export interface MessageTextProps {
  readonly text: string;
  /** People whose `@name` is a mention. */
  readonly mentions?: readonly Mentionable[];
  /** Whose mention stands out. */
  readonly userId?: string | null;
}

/** A message's text, its Markdown shown. Elements are built, never HTML: whatever was typed is text. */
export const MessageText = memo(function MessageText({ text, mentions = NOBODY, userId = null }: MessageTextProps) {
  if (isEmojiOnly(text)) return <div className="parley-text parley-text-emoji">{text}</div>;
  return (
    <div className="parley-text" dir="auto">
      {parseMarkdown(text, mentions).map((block, index) => (
        // Blocks of one text never move: their place is their identity.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <BlockView key={index} block={block} userId={userId} />
      ))}
    </div>
  );
});

const NOBODY: readonly Mentionable[] = [];

function BlockView({ block, userId }: { readonly block: Block; readonly userId: string | null }): ReactNode {
  switch (block.kind) {
    case 'paragraph':
      return <p dir="auto">{inlines(block.children, userId)}</p>;
    case 'code':
      return <CodeBlock text={block.text} language={block.language} />;
    case 'quote':
      return (
        <blockquote dir="auto">
          {block.children.map((child, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: blocks of one text never move
            <BlockView key={index} block={child} userId={userId} />
          ))}
        </blockquote>
      );
    case 'list': {
      const items = block.items.map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: items of one text never move
        <li key={index} dir="auto">
          {inlines(item, userId)}
        </li>
      ));
      return block.start === null ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
    }
  }
}

function inlines(pieces: readonly Inline[], userId: string | null): ReactNode {
  return pieces.map((piece, index) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move
    return <Fragment key={index}>{inline(piece, userId)}</Fragment>;
  });
}

function inline(piece: Inline, userId: string | null): ReactNode {
  switch (piece.kind) {
    case 'text':
      return piece.text;
    case 'code':
      return <code>{piece.text}</code>;
    case 'strong':
      return <strong>{inlines(piece.children, userId)}</strong>;
    case 'emphasis':
      return <em>{inlines(piece.children, userId)}</em>;
    case 'strike':
      return <s>{inlines(piece.children, userId)}</s>;
    case 'link':
      return (
        <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow" dir="ltr">
          {inlines(piece.children, userId)}
        </a>
      );
    case 'mention':
      return (
        <span className={classNames('parley-mention', piece.userId === userId && 'parley-mention-me')}>
          {piece.text}
        </span>
      );
    case 'break':
      return <br />;
  }
}

function CodeBlock({ text, language }: { readonly text: string; readonly language: string }) {
  const texts = useParleyTexts();
  const [copied, setCopied] = useState(false);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      // Refused by the browser: the text can still be selected by hand.
      () => setCopied(false),
    );
  };
  return (
    <div className="parley-code" dir="ltr">
      <div className="parley-code-bar">
        <span>{language}</span>
        <button type="button" onClick={copy} onBlur={() => setCopied(false)}>
          {copied ? texts.copied : texts.copy}
        </button>
      </div>
      {/* A wide block scrolls, so it can be reached by keyboard. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must take the focus */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}
