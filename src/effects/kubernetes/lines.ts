/** Lines of a stream of bytes, as they come. */
import { StringDecoder } from 'node:string_decoder';

const LONGEST = 4 * 1024 * 1024;

/** The last line too when it has no end. A line that is longer than 4 MiB is given in parts. */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.write(chunk);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
    if (rest.length > LONGEST) {
      yield rest;
      rest = '';
    }
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}
