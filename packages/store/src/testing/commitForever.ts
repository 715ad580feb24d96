import { Store } from '../Store.js';
import { numberedBytes, numberedKey } from './bytes.js';

/** `commitForever.ts <path> <bytes>`: commits pairs of rows, eight at a time, and says each pair's number once it is done. */
const [path = '', bytes = '0'] = process.argv.slice(2);
const store = await Store.open({ path, tables: ['rows'] });
let next = 0;

async function commitPairs(): Promise<void> {
  for (;;) {
    const pair = next;
    next += 1;
    const value = numberedBytes(pair, Number(bytes));
    await store.commit([2 * pair, 2 * pair + 1].map((row) => ({ table: 'rows', key: numberedKey(row), value })));
    process.stdout.write(`${pair}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, commitPairs));
