/**
 * `@parley/client/admin`: what administrators do beside talking. Loaded where it is needed; the server decides who may.
 *
 * @packageDocumentation
 */
import type {
  AuditEntry,
  AuditVerdict,
  DataExport,
  HeldMessage,
  ModeratedUser,
  Page,
  Report,
  ReportOutcome,
  Restrictions,
  Rule,
  RuleAction,
  RuleKind,
} from '@parley/protocol';
import type { ApiCall } from '../api.ts';
import type { CallOptions, ParleyClient } from '../client.types.ts';

export type {
  AuditEntry,
  AuditVerdict,
  DataExport,
  HeldMessage,
  ModeratedUser,
  Report,
  ReportOutcome,
  Restrictions,
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
  };
}

function asQuery(options: Readonly<Record<string, unknown>>): Record<string, string> {
  const told = Object.entries(options).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(told.map(([name, value]) => [name, String(value)]));
}
