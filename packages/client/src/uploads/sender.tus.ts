import type { DetailedError, Upload } from 'tus-js-client';
import type { ClientParts } from '../client.types.ts';
import { ParleyError, type ParleyErrorCode } from '../error.ts';
import type { Sender } from './uploads.types.ts';

/** Larger files get an address before the first byte leaves, so that no cut costs more than a moment. */
const IN_ONE_GO_BYTES = 1024 * 1024;
/** So much goes in one request: more than a proxy that gathers whole requests should lose at once. */
const CHUNK_BYTES = 16 * 1024 * 1024;

const CODES: Readonly<Record<number, ParleyErrorCode>> = {
  400: 'invalid_request',
  403: 'forbidden',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'virus_found',
  429: 'rate_limited',
};

/** Uploads by tus 1.0. What speaks it is loaded with the first file. */
export function createTusSender({ apiUrl, token }: Pick<ClientParts, 'apiUrl' | 'token'>): Sender {
  const endpoint = `${apiUrl}/attachments/tus`;
  return {
    send({ file, fileName, url, onUrl, onProgress }) {
      let upload: Upload | null = null;
      let stopped = false;
      const done = (async () => {
        const tus = await import('tus-js-client');
        let used = await token();
        if (used === null) throw signedOut();
        if (stopped) throw aborted();
        try {
          await new Promise<void>((resolve, reject) => {
            upload = new tus.Upload(file as File, {
              endpoint,
              uploadUrl: url,
              metadata: { filename: fileName },
              chunkSize: CHUNK_BYTES,
              uploadDataDuringCreation: file.size <= IN_ONE_GO_BYTES,
              // What to resume, and when to try again, is decided in one place, and that is not here.
              storeFingerprintForResuming: false,
              retryDelays: null,
              async onBeforeRequest(request) {
                // A long upload outlives its token.
                used = (await token()) ?? used;
                request.setHeader('Authorization', `Bearer ${used}`);
              },
              onUploadUrlAvailable: () => {
                if (upload?.url) onUrl(upload.url);
              },
              onProgress: (sent) => onProgress(sent),
              onSuccess: () => resolve(),
              onError: reject,
            });
            upload.start();
          });
        } catch (error) {
          const refused = errorOf(error);
          // A refused token says nothing of the file: another one goes on from where it stopped.
          if (refused.status !== 401) throw refused;
          if ((await token(used)) === null) throw refused;
          throw new ParleyError({ code: 'unavailable', message: 'The token was renewed.', retryAfterMs: 0 });
        }
        const { pathname } = new URL((upload as Upload | null)?.url ?? endpoint);
        return pathname.slice(pathname.lastIndexOf('/') + 1);
      })();
      return {
        done,
        stop() {
          stopped = true;
          void upload?.abort();
        },
      };
    },
    async remove(url) {
      const tus = await import('tus-js-client');
      await tus.Upload.terminate(url, { headers: { Authorization: `Bearer ${await token()}` }, retryDelays: null });
    },
  };
}

function errorOf(thrown: unknown): ParleyError {
  const response = (thrown as Partial<DetailedError>).originalResponse;
  if (response == null) return ParleyError.from(thrown);
  const status = response.getStatus();
  const wait = Number(response.getHeader('Retry-After') ?? Number.NaN);
  if (status === 401) return new ParleyError({ ...signedOut().toJSON(), cause: thrown });
  return new ParleyError({
    code:
      CODES[status] ??
      (status >= 400 && status < 500 && status !== 409 && status !== 423 ? 'bad_answer' : 'unavailable'),
    status,
    message: response.getBody().trim() || 'The file was not taken.',
    retryAfterMs: Number.isFinite(wait) ? wait * 1000 : undefined,
    cause: thrown,
  });
}

function signedOut(): ParleyError {
  return new ParleyError({ code: 'unauthenticated', status: 401, message: 'You need to sign in.' });
}

function aborted(): ParleyError {
  return new ParleyError({ code: 'aborted', message: 'The upload was stopped.' });
}
