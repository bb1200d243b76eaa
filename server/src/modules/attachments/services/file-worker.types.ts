/** What the process for other people's bytes can be asked. Paths are our own. */
export type WorkerTask =
  /** The type of a file by its content, such as `image/png`; null where it is none that is known. */
  | { readonly task: 'type'; readonly path: string }
  /** How long sound or film lasts, in milliseconds; null where it does not say. */
  | { readonly task: 'duration'; readonly path: string }
  /** Encodes a picture anew at `output`, and a thumbnail (WebP) at `thumbnail`. */
  | { readonly task: 'picture'; readonly path: string; readonly output: string; readonly thumbnail: string };

/** The measures of a picture that was encoded anew; pixels, and bytes of its thumbnail. */
export interface PictureFigures {
  readonly width: number;
  readonly height: number;
  readonly thumbnailSize: number;
}

/** What a task answers with when it succeeds. */
export interface WorkerResults {
  type: string | null;
  duration: number | null;
  picture: PictureFigures;
}

/** Why a file could not be worked on: it is broken, or would be too large when unpacked. */
export type WorkerRefusal = 'damaged' | 'too_large';

export type WorkerAnswer =
  | { readonly ok: true; readonly result: WorkerResults[keyof WorkerResults] }
  | { readonly ok: false; readonly reason: WorkerRefusal; readonly message: string };
