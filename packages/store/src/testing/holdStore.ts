import { Store } from '../Store.js';

/** `holdStore.ts <path>`: opens the store, says `open` or why not, and keeps it. */
const [path = ''] = process.argv.slice(2);
try {
  await Store.open({ path, tables: ['rows'] });
  process.stdout.write('open\n');
  process.stdin.resume();
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
}
