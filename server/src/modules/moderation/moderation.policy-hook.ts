import type { Metadata } from '@parley/protocol';

/** A message before it is stored, as a policy of the host product sees it. */
export interface PolicyRequest {
  readonly type: 'message.send' | 'message.edit';
  readonly conversationId: string;
  /** Of the message that is edited; null for a send. */
  readonly messageId: string | null;
  readonly sender: { readonly id: string; readonly name: string; readonly roles: readonly string[] };
  /** Cleaned of markup and trimmed. */
  readonly content: string;
  readonly attachmentIds: readonly string[];
  readonly replyToId: string | null;
  readonly mentions: readonly string[];
  readonly metadata: Metadata | null;
  /** The conversation is encrypted at rest: the policy must not keep the text in plain. */
  readonly confidential: boolean;
}

/** What becomes of it. A `reason` is for the audit trail and for moderators, never for the sender. */
export type PolicyVerdict =
  | { readonly decision: 'accept' }
  | { readonly decision: 'change'; readonly content: string }
  | { readonly decision: 'reject'; readonly reason?: string }
  | { readonly decision: 'hold'; readonly reason?: string };

/**
 * The host product's own word on messages, asked before each send and edit that is no repeat. It may take its time: the
 * sender waits for it, and nobody else. Where it throws, `POLICY_HOOK_ON_FAILURE` says what becomes of the message.
 */
export interface MessagePolicy {
  beforeSend(request: PolicyRequest): Promise<PolicyVerdict>;
}
