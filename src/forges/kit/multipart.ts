/** A file as a form sends it. */
import { randomUUID } from 'node:crypto';

export interface SentFile {
  type: string;
  bytes: Buffer;
}

/** Names are quoted as browsers do it. */
const quoted = (text: string): string =>
  text.replace(/[\r\n"]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);

/** A body of `multipart/form-data` with one file in it. */
export function multipart(field: string, name: string, file: SentFile): SentFile {
  const boundary = `forgeway-${randomUUID()}`;
  const head = [
    `--${boundary}`,
    `Content-Disposition: form-data; name="${quoted(field)}"; filename="${quoted(name)}"`,
    `Content-Type: ${file.type.replace(/[\r\n]/g, '')}`,
    '',
    '',
  ].join('\r\n');
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([Buffer.from(head), file.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}
