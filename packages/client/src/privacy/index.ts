/**
 * `@parley/client/privacy`: copies of what a server keeps about a person. Loaded where it is needed.
 *
 * @packageDocumentation
 */
import type { DataExport } from '@parley/protocol';
import type { CallOptions, ParleyClient } from '../client.types.ts';
import { ParleyError } from '../error.ts';
import { isProblem } from '../transport.web.ts';

export type { DataExport };

/** Copies of a person's data: one's own, and everybody's for administrators. Everything rejects with `ParleyError`. */
export interface DataExports {
  /** Begins a copy; the same job where one is under way. */
  begin(userId: string, options?: CallOptions): Promise<DataExport>;
  /** How far it is. */
  get(id: string, options?: CallOptions): Promise<DataExport>;
  /** The copy itself, a tar archive (`docs/privacy.md`), once the job is done. */
  download(id: string, options?: CallOptions): Promise<Blob>;
}

/**
 * The copies that a client's server makes.
 *
 * @example
 * const copies = createDataExports(client);
 * const { id } = await copies.begin('ada');
 */
export function createDataExports({ parts }: ParleyClient): DataExports {
  const at = (id: string, rest = '') => `/exports/${encodeURIComponent(id)}${rest}`;
  const signalOf = ({ signal }: CallOptions) => (signal ? { signal } : {});

  const fetchFile = async (id: string, token: string | null, options: CallOptions) => {
    if (token === null) throw new ParleyError({ code: 'unauthenticated', message: 'You need to sign in again.' });
    const response = await fetch(parts.apiUrl + at(id, '/file'), {
      headers: { authorization: `Bearer ${token}` },
      ...signalOf(options),
    });
    return { response, token };
  };

  return {
    begin: (userId, options = {}) =>
      parts.call({ method: 'POST', path: `/users/${encodeURIComponent(userId)}/exports`, ...signalOf(options) }),
    get: (id, options = {}) => parts.call({ method: 'GET', path: at(id), ...signalOf(options) }),
    download: async (id, options = {}) => {
      try {
        const first = await fetchFile(id, await parts.token(), options);
        const { response } =
          first.response.status === 401 ? await fetchFile(id, await parts.token(first.token), options) : first;
        if (response.ok) return await response.blob();
        const body: unknown = await response.json().catch(() => null);
        if (isProblem(body)) throw ParleyError.fromProblem(body);
        throw new ParleyError({
          code: 'bad_answer',
          message: 'The answer was not understood.',
          status: response.status,
        });
      } catch (error) {
        throw ParleyError.from(error);
      }
    },
  };
}
