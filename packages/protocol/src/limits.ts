/** How often somebody may do something. `limit` calls in any `windowSeconds`, for each user or for each address. */
export interface LimitDefinition {
  readonly limit: number;
  readonly windowSeconds: number;
  readonly per: 'user' | 'address';
}

/** The numbers of RATE-1 and RATE-2. Windows slide, and a limit is one for both doors. */
export const LIMITS = {
  messages: { limit: 30, windowSeconds: 60, per: 'user' },
  repeats: { limit: 300, windowSeconds: 60, per: 'user' },
  restCalls: { limit: 1200, windowSeconds: 60, per: 'user' },
  socketCommands: { limit: 1200, windowSeconds: 60, per: 'user' },
  typing: { limit: 120, windowSeconds: 60, per: 'user' },
  uploads: { limit: 60, windowSeconds: 60, per: 'user' },
  sync: { limit: 60, windowSeconds: 60, per: 'user' },
  sameText: { limit: 0, windowSeconds: 600, per: 'user' },
  flood: { limit: 0, windowSeconds: 10, per: 'user' },
  clientErrors: { limit: 10, windowSeconds: 60, per: 'user' },
  refusals: { limit: 60, windowSeconds: 60, per: 'user' },
  guestSignIns: { limit: 20, windowSeconds: 60, per: 'address' },
  badTokens: { limit: 30, windowSeconds: 60, per: 'address' },
} as const satisfies Record<string, LimitDefinition>;

export type LimitName = keyof typeof LIMITS;

/** Sizes that nothing may exceed. Text is counted in code points, lists after dropping what stands in them twice. */
export const CAPS = {
  userId: 128,
  clientMessageId: 64,
  title: 200,
  name: 100,
  reason: 500,
  clientError: 500,
  clientErrorStack: 4_000,
  rulePattern: 100,
  rules: 10_000,
  slowModeSeconds: 21_600,
  query: 200,
  avatarUrl: 2048,
  metadataBytes: 8 * 1024,
  metadataDepth: 5,
  peopleInCall: 100,
  peopleInGroup: 1000,
  mentions: 50,
  attachments: 10,
  syncCursors: 500,
  presenceWatch: 200,
  distinctEmoji: 50,
  emoji: 64,
  replyPreview: 200,
  participantsInConversation: 10,
  pageDefault: 50,
  pageMost: 200,
  changesDefault: 200,
  changesMost: 1000,
  bodyBytes: 64 * 1024,
  frameBytes: 128 * 1024,
} as const;

/** A typing mark ends by itself after this time without another `typing:start`. */
export const TYPING_EXPIRES_MS = 6_000;

/** `session:expiring` comes this long before the token's end. */
export const SESSION_EXPIRING_MS = 60_000;
