import { LmdbAdapter } from '../LmdbAdapter.js';

/** `commitForever.ts <path>`: commits a record together with its op, one after the other, and says each number once it is done. */
const [path = ''] = process.argv.slice(2);
const adapter = new LmdbAdapter({ path });
await adapter.open('main');
for (let number = 0; ; number++) {
  const value = new Uint8Array(300).fill(number % 251);
  await adapter.commit([
    { table: 'records', key: ['todos', String(number)], value },
    { table: 'ops', key: [String(number)], value },
  ]);
  process.stdout.write(`${number}\n`);
}
