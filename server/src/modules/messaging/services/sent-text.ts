import { hash } from 'node:crypto';
import type { Metadata } from '@parley/protocol';
import { countCodePoints } from '@parley/protocol';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { sanitizeMetadata, sanitizeText } from '../messaging.sanitizer.ts';

/** How text is cleaned and how long it may be (configuration). */
export interface TextRules {
  readonly html: 'strip' | 'verbatim';
  readonly maxLength: number;
}

/** Content of a message, cleaned (SEND-4, SEND-5). 400 where too much is left, or nothing and there is no file either. */
export function cleanContent(
  content: string,
  rules: TextRules,
  { mayBeEmpty }: { mayBeEmpty: boolean },
): { text: string; sanitized: boolean } {
  const cleaned = sanitizeText(content, rules.html);
  if (cleaned.text === '' && !mayBeEmpty) throw new AppError('empty_message');
  if (cleaned.text.length > rules.maxLength && countCodePoints(cleaned.text) > rules.maxLength) {
    throw new AppError('message_too_long');
  }
  return cleaned;
}

/** A title, name or reason, cleaned by the same rule; null where nothing is left. */
export function cleanLabel(text: string, rules: TextRules): string | null {
  return sanitizeText(text, rules.html).text || null;
}

/** Metadata, its strings cleaned. Markup in a key is a 400. */
export function cleanMetadata(metadata: Metadata, rules: TextRules): Metadata {
  const cleaned = sanitizeMetadata(metadata, rules.html);
  if (!cleaned.ok) throw invalidField('metadata', 'Keys must not contain markup.');
  return cleaned.value as Metadata;
}

/**
 * Tells a repeat from another message under the same key (contract 5, Repeats). Of a confidential conversation it takes the
 * key to make one: a plain hash could be held against guesses of the text.
 */
export function digestRequest(
  content: string,
  replyToId: string | null,
  attachmentIds: readonly string[],
  seal: { digest(text: string): string } | null,
): string {
  return digestText(JSON.stringify([content, replyToId, attachmentIds]), seal);
}

/** A digest of a text, for keeping; made with the key in a confidential conversation. */
export function digestText(text: string, seal: { digest(text: string): string } | null): string {
  return seal ? seal.digest(text) : hash('sha256', text, 'base64url');
}
