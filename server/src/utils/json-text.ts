/** An answer that is JSON already: it goes out as it is, to as many as ask for it. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
