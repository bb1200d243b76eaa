import type { RouteHandlers } from '../../../../middleware/rest-door.ts';
import type { KeysService } from '../../services/keys.service.ts';

/** The REST door of master keys. */
export function keysRoutes(keys: KeysService) {
  return {
    listEncryptionKeys: async ({ actor }) => ({ status: 200, body: await keys.listKeys(actor) }),
    rotateEncryptionKeys: async ({ actor }) => {
      const rotation = await keys.rotateKeys(actor);
      return { status: rotation.begun ? 202 : 200, body: rotation.keys };
    },
  } satisfies RouteHandlers;
}
