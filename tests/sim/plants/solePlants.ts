import { decodeTotals, EntryBatch, encodeTotals, type OpAckMessage, Tag } from '@topgunbuild/core';
import { CounterTotals } from '../../../packages/client/src/engine/CounterTotals.js';
import { Deadlines } from '../../../packages/client/src/engine/Deadlines.js';
import { OpLog } from '../../../packages/client/src/engine/OpLog.js';
import type { PendingOp } from '../../../packages/client/src/engine/PendingOp.js';
import { Sender } from '../../../packages/client/src/engine/Sender.js';
import { ServerClock } from '../../../packages/client/src/engine/ServerClock.js';
import { Stream } from '../../../packages/client/src/engine/Stream.js';
import { ReplicaMap } from '../../../packages/client/src/replica/ReplicaMap.js';
import { StorageWriter } from '../../../packages/client/src/storage/StorageWriter.js';
import { RecordRows } from '../../../packages/server/src/live/recordsFrame.js';
import type { Action } from '../../../packages/server/src/permissions/Permissions.js';
import { Verdicts } from '../../../packages/server/src/permissions/Verdicts.js';
import { NodeClock } from '../../../packages/server/src/shard/NodeClock.js';
import { ShardMap } from '../../../packages/server/src/shard/ShardMap.js';
import { ShardStore } from '../../../packages/server/src/shard/ShardStore.js';
import { Verdict } from '../../../packages/server/src/shard/Verdict.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { Profile } from '../workload/Profile.js';
import { RESTARTS } from '../workload/SoleChaos.js';
import { ServerDisk } from '../world/ServerDisk.js';
import { type Plant, patch } from './Plant.js';

const shortRetention = (drawn: Profile): Profile => ({
  ...drawn,
  shortRetention: true,
  tuning: { ...drawn.tuning, tombstoneRetentionMs: 3_000, horizonIntervalMs: 500 },
});

const skewed = (drawn: Profile): Profile => ({
  ...drawn,
  clients: drawn.clients.map((client, index) => ({ ...client, skewMs: index === 0 ? 3_600_000 : client.skewMs })),
});

const durable = (drawn: Profile): Profile => ({
  ...drawn,
  clients: drawn.clients.map((client) => ({ ...client, durable: true })),
});

const farJumps = (drawn: Profile): Profile => ({
  ...drawn,
  chaos: new Map([...drawn.chaos].filter(([kind]) => !RESTARTS.includes(kind))),
});

const withRights = (drawn: Profile): Profile => ({
  ...drawn,
  auth: true,
  rules: [
    { roles: ['admin'], maps: '*', allow: ['read', 'write'] },
    { roles: ['user'], maps: ['items', 'tags', 'hits'], allow: ['read', 'write'] },
    { roles: ['user'], maps: 'docs', allow: ['read', 'write'], where: { owner: '$sub' } },
    { topics: '*', allow: ['publish', 'subscribe'] },
  ],
  clients: drawn.clients.map((client, index) => ({
    ...client,
    role: index === 0 ? ('admin' as const) : ('user' as const),
    subject: index === 0 ? 'admin-0' : `user-${index}`,
  })),
});

/** Whatever comes last wins, where `applies` to what is there and what comes. */
function lastWins(applies: (here: number, comes: number) => boolean): () => void {
  const stop = patch(ShardMap.prototype, 'judge', (original) => {
    return function (this: ShardMap, batch: EntryBatch, index: number, horizonMs: number, maxElements: number) {
      const slot = this.table.find(batch.keys[index] as string);
      if (slot >= 0 && applies(this.table.tag(slot), batch.tags[index] as number)) return Verdict.APPLIED;
      return original.call(this, batch, index, horizonMs, maxElements);
    };
  });
  const stopMerging = patch(ShardMap.prototype, 'merge', (original) => {
    return function (this: ShardMap, batch: EntryBatch, index: number, seq: number, horizon: number, max: number) {
      const slot = this.table.find(batch.keys[index] as string);
      if (slot >= 0 && applies(this.table.tag(slot), batch.tags[index] as number)) {
        const { changes } = this;
        changes?.collecting();
        this.table.delete(slot);
      }
      return original.call(this, batch, index, seq, horizon, max);
    };
  });
  return () => {
    stop();
    stopMerging();
  };
}

export const SOLE_PLANTS: readonly Plant[] = [
  {
    name: 'the node acks before the record is on the disk',
    breaks: ['1', '4', '5'],
    needs: ['nodeCrash'],
    install: () =>
      patch(ServerDisk.prototype, 'crash', (original) => {
        return function (this: ServerDisk, process: SimProcess) {
          original.call(this, process);
          for (let shard = 0; shard < 7; shard++) {
            const files = this.files(shard);
            const last = files.records.at(-1);
            if (last === undefined || last.seq !== files.head || files.records.length < 2) continue;
            files.records.pop();
            files.head--;
          }
        };
      }),
  },
  {
    name: 'the client drops what was under way when the connection ends',
    breaks: ['2'],
    needs: ['cut'],
    install: () =>
      patch(OpLog.prototype, 'nodeLost', (original) => {
        return function (this: OpLog, nodeId: string) {
          original.call(this, nodeId);
          for (const op of [...this.ops()]) {
            if (!op.everSent) continue;
            this.remove(op);
            op.state = 'superseded';
          }
        };
      }),
  },
  {
    name: 'the client takes an ack for one of everything before it',
    breaks: ['1', '2', '4'],
    needs: ['appendFails', 'appendFailsAfter'],
    install: () =>
      patch(Sender.prototype, 'onAck', (original) => {
        return function (this: Sender, message: OpAckMessage) {
          for (let batchId = Math.max(1, message.batchId - 5); batchId < message.batchId; batchId++) {
            original.call(this, { ...message, batchId, ranges: [0, 10_000], rejected: [] });
          }
          original.call(this, message);
        };
      }),
  },
  {
    name: 'the client takes a refusal for an ack',
    breaks: ['1', '3'],
    needs: ['appendFails', 'diskFull'],
    install: () =>
      patch(Sender.prototype, 'onAck', (original) => {
        return function (this: Sender, message: OpAckMessage) {
          original.call(this, { ...message, ranges: [0, 10_000], rejected: [] });
        };
      }),
  },
  {
    name: 'a retried count counts twice',
    breaks: ['4'],
    needs: ['cut', 'nodeCrash'],
    install: () =>
      patch(OpLog.prototype, 'requeue', (original) => {
        return function (this: OpLog, ops: readonly PendingOp[]) {
          for (const op of ops) {
            if (op.tag !== Tag.COUNTER_ADD || !op.everSent) continue;
            const { added, removed } = decodeTotals(op.value);
            op.value = encodeTotals(added * 2, removed * 2);
          }
          original.call(this, ops);
        };
      }),
  },
  {
    name: 'a refused count stays in the totals',
    breaks: ['3', '4'],
    needs: ['appendFails'],
    profile: skewed,
    install: () =>
      patch(CounterTotals.prototype, 'add', (original) => {
        return function (this: CounterTotals, replica: string, map: string, key: string, delta: number) {
          original.call(this, replica, map, key, delta);
          return original.call(this, replica, map, key, delta);
        };
      }),
  },
  {
    name: 'a late write brings back what was removed',
    breaks: ['1', '5', '6'],
    needs: ['refuse', 'cut', 'freeze'],
    install: () => lastWins((here, comes) => here === Tag.LWW_REMOVE && comes === Tag.LWW_SET),
  },
  {
    name: 'whatever comes last wins, however old',
    breaks: ['1', '5', '6'],
    needs: ['refuse', 'cut', 'freeze'],
    install: () => lastWins((here, comes) => here <= Tag.LWW_REMOVE && comes <= Tag.LWW_REMOVE),
  },
  {
    name: 'deletions are forgotten, and old writes are taken all the same',
    breaks: ['1', '3', '5', '6'],
    needs: ['refuse', 'freeze', 'clientCrash'],
    profile: shortRetention,
    install: () =>
      patch(ShardStore.prototype, 'applyHorizon', (original) => {
        return function (this: ShardStore, horizonMs: number, seq: number) {
          original.call(this, horizonMs, seq);
          this.horizonMs = 1;
        };
      }),
  },
  {
    name: 'the client moves its cursor past rows that it does not take in',
    breaks: ['3'],
    needs: ['cut'],
    install: () => {
      let count = 0;
      return patch(Stream.prototype, 'onRecords', (original) => {
        return function (this: Stream, message, logId, shardCount, beside) {
          const records = count++ % 10 === 9 ? new EntryBatch() : message.records;
          return original.call(this, { ...message, records }, logId, shardCount, beside);
        };
      });
    },
  },
  {
    name: 'the client does not heed RESET',
    breaks: ['3', '5'],
    needs: ['refuse', 'freeze', 'clientCrash', 'cut'],
    profile: shortRetention,
    install: () => patch(Stream.prototype, 'onReset', () => () => {}),
  },
  {
    name: 'operations that were sent get new timestamps',
    breaks: ['identity', '1', '3', '5'],
    needs: ['cut', 'nodeCrash'],
    install: () =>
      patch(OpLog.prototype, 'requeue', (original) => {
        return function (this: OpLog, ops: readonly PendingOp[]) {
          for (const op of ops) if (op.everSent && op.tag !== Tag.COUNTER_ADD) op.counter++;
          original.call(this, ops);
        };
      }),
  },
  {
    name: 'a refused write stays shown',
    breaks: ['3'],
    needs: [],
    profile: withRights,
    install: () =>
      patch(ReplicaMap.prototype, 'revert', () => {
        return function (this: ReplicaMap, op: PendingOp) {
          this.accept(op);
        };
      }),
  },
  {
    name: 'the storage tells of commits that have not happened',
    breaks: ['2', '4'],
    needs: ['clientCrash', 'commitSlow', 'refuse'],
    profile: durable,
    install: () =>
      patch(StorageWriter.prototype, 'putOp', (original) => {
        return function (this: StorageWriter, op: PendingOp) {
          original.call(this, op);
          op.markStored();
        };
      }),
  },
  {
    name: 'the client does not go by the time of the server',
    breaks: ['2', '12'],
    needs: [],
    profile: skewed,
    install: () => patch(ServerClock.prototype, 'synchronize', () => () => 0),
  },
  {
    name: 'the time of the node goes back with its wall clock',
    breaks: ['6', '12'],
    needs: ['nodeClockJump'],
    profile: farJumps,
    install: () => patch(NodeClock.prototype, 'carriedTo', () => () => 0),
  },
  {
    name: 'the node does not tell that a row has left a query',
    breaks: ['3'],
    needs: [],
    install: () => patch(RecordRows.prototype, 'left', () => () => {}),
  },
  {
    name: 'rows outside of the rights of a subject are sent',
    breaks: ['9', '3'],
    needs: [],
    profile: withRights,
    install: () =>
      patch(Verdicts.prototype, 'for', (original) => {
        return function (this: Verdicts, action: Action, name: string) {
          const verdict = original.call(this, action, name);
          return action === 'read' ? { ...verdict, rows: null } : verdict;
        };
      }),
  },
  {
    name: 'a closed client leaves a timer behind',
    breaks: ['leak'],
    needs: ['clientRestart'],
    install: () => patch(Deadlines.prototype, 'clear', () => () => {}),
  },
];
