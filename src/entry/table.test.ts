import { describe, expect, it } from '@jest/globals';
import { formatTable } from './table.js';

describe('formatTable', () => {
  it('separates the words of a column’s name in its heading', () => {
    const rows = [{ id: 1, receivedAt: new Date(0), statusReason: 'x' }];
    const [heading] = formatTable(rows, ['id', 'receivedAt', 'statusReason']).split('\n');
    expect(heading?.split(/ {2,}/)).toEqual(['ID', 'RECEIVED AT', 'STATUS REASON']);
  });

  it('leaves a name in one piece', () => {
    expect(formatTable([{ event: 'push', GitHub: 'yes' }], ['event', 'GitHub'])).toMatch(/^EVENT {2}GITHUB$/m);
  });
});
