import { EmbeddedBackbone } from '../EmbeddedBackbone.js';

/** `appendForever.ts <path> <shards> <bytes>`: appends to each shard, one record at a time; says `shard seq` once it is there. */
const [path = '', shards = '1', bytes = '1'] = process.argv.slice(2);
const backbone = new EmbeddedBackbone({ path });
await backbone.open();
const { log } = backbone;

async function appendTo(shard: number): Promise<void> {
  for (let head = await log.head(shard); ; head++) {
    const result = await log.append(shard, new Uint8Array(Number(bytes)).fill((shard + head + 1) % 251), head);
    if (result.status === 'fenced') throw new Error('fenced');
    process.stdout.write(`${shard} ${result.seq}\n`);
    // A trim that leaves ten records is under way at any time.
    if (result.seq % 20 === 0) await log.trim(shard, result.seq - 10);
  }
}

await Promise.all(Array.from({ length: Number(shards) }, (_, shard) => appendTo(shard)));
