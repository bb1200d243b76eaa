import type { CliCommand } from '../../cli.types.ts';
import { openDatabase } from '../../infrastructure/database.ts';
import { AppError } from '../../utils/app-error.ts';
import { AuditRepository } from './audit.repository.ts';
import { AuditService } from './audit.service.ts';

/** `parley audit verify [conversation]`: walks one chain, or all of them, and names the first bad entry. */
export const verifyAuditCommand: CliCommand = {
  words: ['audit', 'verify'],
  usage: 'audit verify [CONVERSATION-ID]',
  summary: 'check that no entry of the audit trail was changed or is missing',
  run: async ({ config, logger, args: [conversationId], print }) => {
    const { databaseUrl, dataDir } = config;
    const database = await openDatabase({ databaseUrl, dataDir, logger });
    try {
      const audit = new AuditService(new AuditRepository(database.prisma), null);
      const verdict = conversationId ? await audit.verifyConversation(conversationId) : await audit.verifyAll();
      if (verdict.ok) {
        print(`The audit trail is whole: ${verdict.entries} entries.`);
        return 0;
      }
      print(`The audit trail is broken at entry ${verdict.firstBad ?? '(none is left)'}: ${verdict.problem}.`);
      return 1;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
      print(`There is no conversation ${conversationId}.`);
      return 2;
    } finally {
      await database.close();
    }
  },
};
