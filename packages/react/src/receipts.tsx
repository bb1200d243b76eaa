import { useParleyTexts } from './provider.tsx';

/** How far a message of one's own is. */
export type ReceiptState = 'waiting' | 'sending' | 'failed' | 'sent' | 'delivered' | 'read';

/** The mark beside one's own message: a clock, one tick, two ticks, two ticks in colour. Says in words what it shows. */
export function ReceiptMark({ state }: { readonly state: ReceiptState }) {
  const texts = useParleyTexts();
  const words = {
    waiting: texts.waiting,
    sending: texts.sending,
    failed: texts.notSent,
    sent: texts.sent,
    delivered: texts.delivered,
    read: texts.read,
  } satisfies Record<ReceiptState, string>;
  return (
    <span className="parley-receipt" data-state={state} role="img" aria-label={words[state]} title={words[state]}>
      <svg viewBox="0 0 18 12" width="18" height="12" aria-hidden="true">
        <path
          d={SHAPES[state]}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.6"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
    </span>
  );
}

const CLOCK = 'M9 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M9 3.8V6l1.6 1';
const ONE_TICK = 'M4.5 6.4 7.4 9.2 13.5 2.8';
const TWO_TICKS = 'M1.5 6.4 4.4 9.2 10.5 2.8M8.3 9.1 8.4 9.2 14.5 2.8';
const SHAPES: Record<ReceiptState, string> = {
  waiting: CLOCK,
  sending: CLOCK,
  failed: 'M9 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M9 3.6v2.8M9 8.3v.1',
  sent: ONE_TICK,
  delivered: TWO_TICKS,
  read: TWO_TICKS,
};
