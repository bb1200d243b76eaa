import { pino } from 'pino';

/** A logger for tests that do not look at logs: real, and says nothing. */
export const silentLogger = pino({ level: 'silent' });
