/** What the process for other people's bytes can be asked. Paths are our own. */
export type WorkerTask =
  /** The type of a file by its content, such as `image/png`; null where it is none that is known. */
  | { readonly task: 'type'; readonly path: string }
  /** How long sound or film lasts and, of sound that can be decoded here, how loud it is. */
  | { readonly task: 'sound'; readonly path: string; readonly mimeType: string }
  /** Encodes a picture anew at `output`, and a thumbnail (WebP) at `thumbnail`. */
  | { readonly task: 'picture'; readonly path: string; readonly output: string; readonly thumbnail: string };

/** The measures of a picture that was encoded anew; pixels, and bytes of its thumbnail. */
export interface PictureFigures {
  readonly width: number;
  readonly height: number;
  readonly thumbnailSize: number;
  /** Its ThumbHash in base64. */
  readonly placeholder: string;
}

/** What is known of a recording; null where it does not say, or cannot be decoded. */
export interface SoundFigures {
  readonly durationMs: number | null;
  /** How loud it is from beginning to end, 0 to 100. */
  readonly waveform: number[] | null;
}

/** What a task answers with when it succeeds. */
export interface WorkerResults {
  type: string | null;
  sound: SoundFigures;
  picture: PictureFigures;
}

/** Why a file could not be worked on: it is broken, or would be too large when unpacked. */
export type WorkerRefusal = 'damaged' | 'too_large';

export type WorkerAnswer =
  | { readonly ok: true; readonly result: WorkerResults[keyof WorkerResults] }
  | { readonly ok: false; readonly reason: WorkerRefusal; readonly message: string };
