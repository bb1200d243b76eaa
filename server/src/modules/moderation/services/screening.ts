import {
  floodRateLimiter,
  type Permit,
  type RateLimit,
  type RateLimits,
  rateLimited,
  sameTextRateLimiter,
} from '../../../middleware/rate-limit.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { EditToScreen, Screening, SendToScreen } from '../../messaging/index.ts';
import type { MessagePolicy, PolicyRequest, PolicyVerdict } from '../moderation.policy-hook.ts';
import type { HeldRepository } from '../repositories/held.repository.ts';
import type { MatchedRule } from '../repositories/rules.repository.ts';
import type { RuleBook } from './rule-book.ts';
import { essenceOf } from './text-forms.ts';

export interface ScreeningDeps {
  readonly book: Pick<RuleBook, 'matcher'>;
  readonly held: Pick<HeldRepository, 'hold'>;
  /** The host product's own word; null where it has none. */
  readonly policy: MessagePolicy | null;
  /** What becomes of a message about which the policy could not be asked. */
  readonly onPolicyFailure: 'accept' | 'reject' | 'hold';
  readonly limits: RateLimits;
  /** Whether somebody may send the same text only so often. */
  readonly limitsSameText: boolean;
  /** Whether somebody may send only so many messages into one conversation within seconds. */
  readonly limitsFlood: boolean;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Shorter texts are said again and again by everybody. */
const SHORTEST_REPEAT = 8;

/** What was decided about a text, and why. */
type Decision =
  | { readonly action: 'pass'; readonly content: string }
  | { readonly action: 'hold' | 'reject'; readonly cause: string };

/** What stands between a text and the log: floods, the same text over and over, rules, the policy of the host product. */
export class MessageScreening implements Screening {
  readonly #deps: ScreeningDeps;

  constructor(deps: ScreeningDeps) {
    this.#deps = deps;
  }

  get isActive(): boolean {
    const { book, policy, limitsSameText, limitsFlood } = this.#deps;
    return !book.matcher.isEmpty || policy !== null || limitsSameText || limitsFlood;
  }

  async screenSend(send: SendToScreen): Promise<{ content: string; refund: () => void }> {
    const { content, isRepeat, confidential } = send;
    const permits: Permit[] = [];
    const refund = () => {
      for (const permit of permits) permit.refund();
    };
    try {
      await this.#takeLimits(send, permits);
      const decision = await this.#decide(content, () => this.#requestOf(send), isRepeat);
      if (decision.action === 'pass') return { content: decision.content, refund };
      if (await isRepeat()) return { content, refund };
      // What waits is kept in plain text, and of a confidential conversation nothing is.
      if (decision.action === 'reject' || confidential) throw notAllowed();
      await send.requireMaySend();
      throw await this.#hold(send, decision.cause);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'message_held')) refund();
      throw error;
    }
  }

  async screenEdit({ actor, conversationId, messageId, content, confidential }: EditToScreen): Promise<string> {
    const decision = await this.#decide(content, () => ({
      type: 'message.edit',
      ...{ conversationId, messageId, content, confidential },
      sender: { id: actor.id, name: actor.name, roles: actor.roles },
      ...{ attachmentIds: [], replyToId: null, mentions: [], metadata: null },
    }));
    // There is no queue of edits: the text stays as it was.
    if (decision.action !== 'pass') throw notAllowed();
    return decision.content;
  }

  screenName(name: string, path: string): string {
    const { matcher } = this.#deps.book;
    if (matcher.isEmpty) return name;
    const asWritten = matcher.judge(name);
    // In file names an underscore stands for a space, and would else make one word of several.
    const spaced = matcher.judge(name.replaceAll('_', ' '));
    for (const { action } of [asWritten, spaced]) {
      if (action === 'reject' || action === 'hold') throw invalidField(path, 'This name is not allowed here.');
    }
    return spaced.action === 'mask' ? spaced.content : asWritten.content;
  }

  async #decide(
    content: string,
    toRequest: () => PolicyRequest,
    isRepeat: () => Promise<boolean> = async () => false,
  ): Promise<Decision> {
    const { action, rule, content: shown } = this.#deps.book.matcher.judge(content);
    if (rule && (action === 'reject' || action === 'hold')) return { action, cause: causeOf(rule) };
    if (!this.#deps.policy || (await isRepeat())) return { action: 'pass', content: shown };
    const verdict = await this.#ask(this.#deps.policy, { ...toRequest(), content: shown });
    switch (verdict.decision) {
      case 'accept':
        return { action: 'pass', content: shown };
      case 'change':
        return { action: 'pass', content: verdict.content };
      case 'reject':
      case 'hold':
        return { action: verdict.decision, cause: verdict.reason ? `policy: ${verdict.reason}` : 'policy' };
    }
  }

  async #ask(policy: MessagePolicy, request: PolicyRequest): Promise<PolicyVerdict> {
    try {
      return await policy.beforeSend(request);
    } catch (error) {
      const { onPolicyFailure, logger } = this.#deps;
      logger.warn({ err: error, conversationId: request.conversationId }, 'the policy for messages could not be asked');
      return onPolicyFailure === 'accept'
        ? { decision: 'accept' }
        : { decision: onPolicyFailure, reason: 'it could not be asked' };
    }
  }

  async #hold({ draft }: SendToScreen, cause: string): Promise<AppError> {
    const held = await this.#deps.held.hold(draft, cause);
    if (held.requestDigest !== draft.requestDigest) return new AppError('idempotency_conflict');
    return held.decision === 'rejected' || held.refusal !== null ? notAllowed() : new AppError('message_held');
  }

  /** Fills `taken`, which is for the caller to give back, whatever comes of it. */
  async #takeLimits({ draft, content, digestOf, isRepeat }: SendToScreen, taken: Permit[]): Promise<void> {
    const { limits, limitsFlood, limitsSameText } = this.#deps;
    const take = async (limit: RateLimit, key: string) => {
      const permit = await limits.take(limit, key);
      if (permit.allowed) taken.push(permit);
      else if (!(await isRepeat())) throw rateLimited(permit);
    };
    if (limitsFlood) await take(floodRateLimiter, `${draft.senderId}:${draft.conversationId}`);
    const essence = limitsSameText ? essenceOf(content) : '';
    if (essence.length >= SHORTEST_REPEAT) await take(sameTextRateLimiter, `${draft.senderId}:${digestOf(essence)}`);
  }

  #requestOf({ actor, draft, content, metadata, confidential }: SendToScreen): PolicyRequest {
    const { conversationId, attachmentIds, replyToId, mentions } = draft;
    return {
      type: 'message.send',
      ...{ conversationId, messageId: null, content, attachmentIds, replyToId, mentions, metadata, confidential },
      sender: { id: actor.id, name: actor.name, roles: actor.roles },
    };
  }
}

/** What a sender hears is general: which word it was is nobody's business to probe. */
function notAllowed(): AppError {
  return new AppError('invalid_request', { detail: 'This message is not allowed here.' });
}

function causeOf({ kind, pattern }: MatchedRule): string {
  return `${kind}: ${pattern}`;
}
