import type { AppError } from '../utils/app-error.ts';
import type { Metrics } from '../utils/metrics.ts';
import { type RateLimit, type RateLimits, rateLimited, refusalsRateLimiter } from './rate-limit.ts';

/** The limits as doors ask them: passing, or an error with everything the answer needs. */
export interface LimitGuard {
  /** @throws AppError `rate_limited` when this one is over the limit. */
  take(limit: RateLimit, key: string): Promise<void>;
  /**
   * What to answer for a refusal: itself, or `rate_limited` once there were too many of them. Only 403 and 404 count,
   * so that nobody can feel out which conversations exist; calls that succeed are not held up (RATE-2).
   */
  refusal(error: AppError, userId: string): Promise<AppError>;
}

export function createLimitGuard(limits: RateLimits, metrics: Metrics): LimitGuard {
  const ask = async (limit: RateLimit, key: string): Promise<AppError | undefined> => {
    const permit = await limits.take(limit, key);
    if (permit.allowed) return undefined;
    metrics.limiterRefusals.inc({ limit: limit.name });
    return rateLimited(permit);
  };
  return {
    take: async (limit, key) => {
      const refused = await ask(limit, key);
      if (refused) throw refused;
    },
    refusal: async (error, userId) => {
      if (error.status !== 403 && error.status !== 404) return error;
      return (await ask(refusalsRateLimiter, userId)) ?? error;
    },
  };
}
