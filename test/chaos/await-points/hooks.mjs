/** Module hooks: loads the numbered copy of a module where there is one. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const places = { dist: '', numbered: '' };

export function initialize({ dist, numbered }) {
  Object.assign(places, { dist, numbered });
}

export async function load(url, context, nextLoad) {
  if (url.startsWith('file:') && fileURLToPath(url).startsWith(`${places.dist}/`)) {
    try {
      const source = readFileSync(`${places.numbered}${fileURLToPath(url).slice(places.dist.length)}`, 'utf8');
      return { format: 'module', shortCircuit: true, source };
    } catch (error) {
      // Not one of the numbered folders.
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return nextLoad(url, context);
}
