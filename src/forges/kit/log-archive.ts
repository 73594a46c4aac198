/** Logs of a run in one archive, a file for each job, as GitHub packs them. */
import { strToU8, zip } from 'fflate';

interface JobLog {
  /** The job's name, which may hold anything. */
  name: string;
  text: string;
}

/** Names as GitHub gives them: nothing in them leads out of the folder that they are unpacked into. */
const fileName = (name: string, at: number): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that no file system takes are meant.
  const plain = name.replace(/[\u0000-\u001f<>:"/\\|?*]/g, '').replace(/^\.+/, '');
  return `${at + 1}_${plain || 'job'}.txt`;
};

/** Bytes of the ZIP file; times are left out, so that the same logs are the same bytes. */
export function logArchive(logs: readonly JobLog[]): Promise<Buffer> {
  const files = Object.fromEntries(logs.map(({ name, text }, at) => [fileName(name, at), strToU8(text)]));
  return new Promise((resolve, reject) => {
    zip(files, { mtime: '1980-01-01T00:00:00Z' }, (error, bytes) =>
      error === null ? resolve(Buffer.from(bytes)) : reject(error),
    );
  });
}
