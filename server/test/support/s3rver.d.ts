/** What the tests use of the S3 server, which brings no types. */
declare module 's3rver' {
  // biome-ignore lint/style/noDefaultExport: it is how that package exports it
  export default class S3rver {
    constructor(options: {
      address: string;
      port: number;
      silent: boolean;
      directory: string;
      configureBuckets: { name: string; configs: string[] }[];
    });
    run(): Promise<unknown>;
    close(): Promise<void>;
  }
}
