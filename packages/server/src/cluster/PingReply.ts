import { z } from 'zod';
import { type DocumentCodec, documentCodec } from './documentCodec.js';

/** What a node answers to a probe. */
export interface PingReply {
  /** Which process it is. */
  readonly boot: string;
  /** The version of the map that it acts on; 0 = it has none. */
  readonly mapVersion: number;
  /** By shard: how far it is, see HostingState. */
  readonly readiness: Uint8Array;
  /** [shard, epoch, ...] of shards it should own, but whose logs have known a higher epoch than the map. */
  readonly metEpochs: readonly number[];
}

const MAX_SHARDS = 271;

const schema: z.ZodType<PingReply> = z.object({
  boot: z.string().min(1),
  mapVersion: z.number().int().min(0),
  readiness: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= MAX_SHARDS),
  metEpochs: z.array(z.number().int().min(0)).max(2 * MAX_SHARDS),
});

export const pingReplyCodec: DocumentCodec<PingReply> = documentCodec(schema);

export const PING: Uint8Array = new Uint8Array(0);

export function pingSubject(nodeId: string): string {
  return `node.${nodeId}.ping`;
}

/** Served by every node that runs, whatever the registry says of it; the answer is its id. */
export const ROLL_CALL = 'node-roll-call';
