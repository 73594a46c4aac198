/** Archives for tests, as a forge or the Terraform CLI packs them. */
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** A gzip-compressed tar of text files. @param root the directory that a forge puts everything into */
export async function archiveOf(files: Readonly<Record<string, string>>, root?: string): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of Object.entries(files))
    tar.entry({ name: root === undefined ? name : `${root}/${name}`, mode: 0o644 }, text);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(Buffer.from(chunk));
  return gzipSync(Buffer.concat(chunks));
}

/** As a stream gives it. */
export async function* inOnePiece(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
