/**
 * `@parley/client/admin`: what administrators do beside talking. Loaded where it is needed; the server decides who may.
 *
 * @packageDocumentation
 */
import type {
  AuditEntry,
  AuditVerdict,
  Erasure,
  HeldMessage,
  LegalHold,
  ModeratedUser,
  Page,
  Report,
  ReportOutcome,
  Restrictions,
  Retention,
  RetentionPreview,
  Rule,
  RuleAction,
  RuleKind,
} from '@parley/protocol';
import type { ApiCall } from '../api.ts';
import type { CallOptions, ParleyClient } from '../client.types.ts';

export type {
  AuditEntry,
  AuditVerdict,
  Erasure,
  HeldMessage,
  LegalHold,
  ModeratedUser,
  Report,
  ReportOutcome,
  Restrictions,
  Retention,
  RetentionPreview,
  Rule,
  RuleAction,
  RuleKind,
};

/** Which page of a list. */
export interface ListOptions extends CallOptions {
  readonly cursor?: string | undefined;
  readonly limit?: number;
}

/** What becomes of a report, of its message, and of whoever wrote that. */
export interface Resolution {
  readonly outcome: ReportOutcome;
  readonly note?: string;
  readonly author?: {
    readonly silencedUntil?: string;
    readonly where?: 'conversation' | 'everywhere';
    readonly banned?: true;
  };
}

/** Which entries of the audit trail. */
export interface AuditFilter {
  readonly conversationId?: string;
  readonly actorId?: string;
  readonly action?: string;
  /** ISO times. */
  readonly before?: string;
  readonly after?: string;
}

/** What an administrator can do. Everything asks the server and rejects with `ParleyError`. */
export interface Administration {
  reports(options?: ListOptions & { readonly state?: 'open' | 'closed' | 'all' }): Promise<Page<Report>>;
  resolveReport(id: string, resolution: Resolution, options?: CallOptions): Promise<Report>;
  /** Everybody whom the server knows, by name. */
  users(
    options?: ListOptions & { readonly query?: string; readonly restricted?: boolean },
  ): Promise<Page<ModeratedUser>>;
  /** Silences a person everywhere, or bans them; what is left out stays. */
  restrict(
    userId: string,
    change: { readonly silencedUntil?: string | null; readonly banned?: boolean; readonly reason?: string },
    options?: CallOptions,
  ): Promise<Restrictions>;
  rules(options?: ListOptions): Promise<Page<Rule>>;
  addRule(
    rule: { readonly kind: RuleKind; readonly pattern: string; readonly action: RuleAction },
    options?: CallOptions,
  ): Promise<Rule>;
  removeRule(id: string, options?: CallOptions): Promise<void>;
  held(options?: ListOptions & { readonly state?: 'open' | 'closed' | 'all' }): Promise<Page<HeldMessage>>;
  resolveHeld(
    id: string,
    decision: { readonly decision: 'approve' | 'reject'; readonly note?: string },
    options?: CallOptions,
  ): Promise<HeldMessage>;
  audit(options?: ListOptions & AuditFilter): Promise<Page<AuditEntry>>;
  /** Whether the audit trail of a conversation, or all of it, is whole. */
  verifyAudit(options?: CallOptions & { readonly conversationId?: string }): Promise<AuditVerdict>;
  /** Begins to erase a person, for good; the same job where that is under way or was done. */
  eraseUser(userId: string, erasure?: { readonly reason?: string }, options?: CallOptions): Promise<Erasure>;
  /** How far an erasure is; with its proof once it is done. */
  erasure(id: string, options?: CallOptions): Promise<Erasure>;
  retention(options?: CallOptions): Promise<Retention>;
  /** Sets how long messages are kept, and begins at once with what has had its time; what is left out stays. */
  setRetention(days: Partial<Retention>, options?: CallOptions): Promise<Retention>;
  /** What such a setting would delete at this moment; what is left out is as it is set. */
  previewRetention(
    days: { readonly [Type in keyof Retention]?: number },
    options?: CallOptions,
  ): Promise<RetentionPreview>;
  /** The legal holds that last. */
  legalHolds(options?: ListOptions): Promise<Page<LegalHold>>;
  /** Keeps a conversation, or what a person wrote, from erasure and retention. */
  holdLegally(
    hold: { readonly reason: string } & ({ readonly conversationId: string } | { readonly userId: string }),
    options?: CallOptions,
  ): Promise<LegalHold>;
  releaseLegalHold(id: string, options?: CallOptions): Promise<void>;
}

/**
 * The administration of a client's server.
 *
 * @example
 * const admin = createAdministration(client);
 * const { items } = await admin.reports();
 */
export function createAdministration({ parts }: ParleyClient): Administration {
  const call = <T>(path: string, { signal, ...rest }: Partial<ApiCall> & CallOptions): Promise<T> =>
    parts.call<T>({ method: 'GET', path, ...rest, ...(signal && { signal }) });
  const list = <T>(path: string, { signal, ...query }: CallOptions & Record<string, unknown> = {}) =>
    call<T>(path, { query: asQuery(query), ...(signal && { signal }) });
  const at = (path: string, id: string, rest = '') => `${path}/${encodeURIComponent(id)}${rest}`;

  return {
    reports: (options = {}) => list('/reports', { ...options }),
    resolveReport: (id, body, options = {}) =>
      call(at('/reports', id, '/resolution'), { ...options, method: 'POST', body }),
    users: (options = {}) => list('/moderation/users', { ...options }),
    restrict: (id, body, options = {}) => call(at('/users', id, '/restrictions'), { ...options, method: 'PUT', body }),
    rules: (options = {}) => list('/moderation/rules', { ...options }),
    addRule: (body, options = {}) => call('/moderation/rules', { ...options, method: 'POST', body }),
    removeRule: (id, options = {}) => call(at('/moderation/rules', id), { ...options, method: 'DELETE' }),
    held: (options = {}) => list('/moderation/held', { ...options }),
    resolveHeld: (id, body, options = {}) =>
      call(at('/moderation/held', id, '/resolution'), { ...options, method: 'POST', body }),
    audit: (options = {}) => list('/audit', { ...options }),
    verifyAudit: (options = {}) => list('/audit/verify', { ...options }),
    eraseUser: (userId, body = {}, options = {}) =>
      call(at('/users', userId, '/erasure'), { ...options, method: 'POST', body }),
    erasure: (id, options = {}) => call(at('/erasures', id), options),
    retention: (options = {}) => call('/retention', options),
    setRetention: (body, options = {}) => call('/retention', { ...options, method: 'PUT', body }),
    previewRetention: (days, options = {}) => list('/retention/preview', { ...days, ...options }),
    legalHolds: (options = {}) => list('/legal-holds', { ...options }),
    holdLegally: (body, options = {}) => call('/legal-holds', { ...options, method: 'POST', body }),
    releaseLegalHold: (id, options = {}) => call(at('/legal-holds', id), { ...options, method: 'DELETE' }),
  };
}

function asQuery(options: Readonly<Record<string, unknown>>): Record<string, string> {
  const told = Object.entries(options).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(told.map(([name, value]) => [name, String(value)]));
}
