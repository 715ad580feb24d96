import type { AppendResult, LogRecord, Snapshot } from '../../../packages/server/src/backbone/Backbone.js';
import { type ClusterMap, clusterMapCodec, MAP_KEY } from '../../../packages/server/src/cluster/ClusterMap.js';
import type { Leg } from '../../../packages/server/src/forward/RemoteSession.js';
import { RemoteSession } from '../../../packages/server/src/forward/RemoteSession.js';
import { ShardCursors } from '../../../packages/server/src/forward/ShardCursors.js';
import { LocalDataPlane } from '../../../packages/server/src/shard/LocalDataPlane.js';
import type { Role } from '../../../packages/server/src/shard/Role.js';
import { WriteTicket } from '../../../packages/server/src/shard/WriteTicket.js';
import { SharedLogs } from '../backbone/SharedLogs.js';
import { SimLog } from '../backbone/SimLog.js';
import { ObservedRegistry } from '../backbone/SimRegistry.js';
import type { ClusterProfile } from '../workload/ClusterProfile.js';
import { type Plant, patch } from './Plant.js';

/** The first byte of a log record that marks an epoch. */
const EPOCH_MARK = 1;

const snapshots = (drawn: ClusterProfile): ClusterProfile => ({
  ...drawn,
  tuning: { ...drawn.tuning, snapshotLogBytes: 300, snapshotDelayMs: 0 },
});

const oneStreamAShard = (drawn: ClusterProfile): ClusterProfile => ({ ...drawn, streams: drawn.shardCount });

/** Every map that the leader writes is changed on its way. */
function changeMaps(change: (map: ClusterMap) => ClusterMap): () => void {
  return patch(ObservedRegistry.prototype, 'set', (original) => {
    return function (this: ObservedRegistry, key: string, value: Uint8Array | null, revision: number) {
      const map = key === MAP_KEY && value !== null ? clusterMapCodec.decode(value) : null;
      return original.call(this, key, map === null ? value : clusterMapCodec.encode(change(map)), revision);
    };
  });
}

/** Marks of epochs land wherever the log ends. */
function appendMarksAnywhere(): () => void {
  return patch(SharedLogs.prototype, 'append', (original) => {
    return function (this: SharedLogs, shard: number, bytes: Uint8Array, expectedSeq: number, author: string) {
      const seq = bytes[0] === EPOCH_MARK ? this.shard(shard).head : expectedSeq;
      return original.call(this, shard, bytes, seq, author);
    };
  });
}

export const CLUSTER_PLANTS: readonly Plant<ClusterProfile>[] = [
  {
    name: 'a stale owner is not fenced',
    breaks: ['7'],
    needs: ['memberFreeze', 'wayStall', 'memberCut'],
    install: () =>
      patch(SharedLogs.prototype, 'append', () => {
        return function (this: SharedLogs, shard: number, bytes: Uint8Array, _: number, author: string) {
          return { status: 'appended' as const, seq: this.put(shard, bytes, author) };
        };
      }),
  },
  {
    name: 'an owner serves without the mark of its epoch',
    breaks: ['7'],
    needs: ['memberCrash'],
    install: () =>
      patch(SimLog.prototype, 'append', (original) => {
        return function (this: SimLog, shard: number, bytes: Uint8Array, expectedSeq: number) {
          if (bytes[0] !== EPOCH_MARK || expectedSeq === 0) return original.call(this, shard, bytes, expectedSeq);
          return Promise.resolve<AppendResult>({ status: 'appended', seq: expectedSeq });
        };
      }),
  },
  {
    name: 'whoever takes over does not catch up',
    breaks: ['1', '3', '4', '5', '6'],
    needs: ['memberCrash', 'backboneSlow', 'wayStall'],
    install: () => {
      const stop = appendMarksAnywhere();
      const stopLooking = patch(SimLog.prototype, 'head', () => () => Promise.resolve(0));
      return () => {
        stop();
        stopLooking();
      };
    },
  },
  {
    name: 'a standby does not notice that a record is missing',
    breaks: ['1', '3', '4', '5', '6'],
    needs: ['memberCrash'],
    install: () =>
      patch(SimLog.prototype, 'tail', (original) => {
        return function (this: SimLog, shard: number, fromSeq: number, onRecord: (record: LogRecord) => void) {
          let last = fromSeq;
          let count = 0;
          return original.call(this, shard, fromSeq, (record) => {
            if (record.bytes[0] !== EPOCH_MARK && count++ % 5 === 4) return;
            onRecord({ ...record, prev: last });
            last = record.seq;
          });
        };
      }),
  },
  {
    name: 'the log answers before it has the record',
    breaks: ['1'],
    needs: [],
    profile: oneStreamAShard,
    install: () =>
      patch(SimLog.prototype, 'append', (original) => {
        return function (this: SimLog, shard: number, bytes: Uint8Array, expectedSeq: number) {
          const { head } = this.logs.shard(shard);
          const appended = original.call(this, shard, bytes.slice(), expectedSeq);
          if (bytes[0] === EPOCH_MARK || head !== expectedSeq) return appended;
          appended.catch(() => undefined);
          return Promise.resolve<AppendResult>({ status: 'appended', seq: head + 1 });
        };
      }),
  },
  {
    name: 'the node that a client asked acks before the owner has answered',
    breaks: ['1'],
    needs: [],
    install: () =>
      patch(RemoteSession.prototype, 'write', (original) => {
        return function (this: RemoteSession, leg: Leg, mapVersion: number) {
          original.call(this, leg, mapVersion);
          leg.write.settle(leg.indexes.length);
        };
      }),
  },
  {
    name: 'what a former owner gives back counts as done',
    breaks: ['1', '4'],
    needs: ['memberStop', 'memberJoin', 'memberFreeze'],
    install: () =>
      patch(WriteTicket.prototype, 'move', () => {
        return function (this: WriteTicket) {
          this.settle();
        };
      }),
  },
  {
    name: 'the controller does not raise epochs',
    breaks: ['7'],
    needs: ['memberCrash'],
    install: () => changeMaps((map) => ({ ...map, epochs: map.epochs.map(() => 1) })),
  },
  {
    name: 'the registry takes what is compared with something older',
    breaks: ['7'],
    needs: ['leaderFreeze', 'leaderCrash', 'wayStall', 'registryFails'],
    install: () =>
      patch(ObservedRegistry.prototype, 'set', (original) => {
        return function (this: ObservedRegistry, key: string, value: Uint8Array | null, revision: number) {
          const present = this.get(key);
          const isThere = present !== null && present.value !== null;
          return original.call(this, key, value, key !== MAP_KEY ? revision : isThere ? present.revision : 0);
        };
      }),
  },
  {
    name: 'a node that is to follow a shard does not',
    breaks: ['hosting'],
    needs: [],
    install: () =>
      patch(LocalDataPlane.prototype, 'setRoles', (original) => {
        return function (this: LocalDataPlane, roles: readonly Role[]) {
          original.call(
            this,
            roles.map((role) => (role.name === 'standby' ? { name: 'none' } : role)),
          );
        };
      }),
  },
  {
    name: 'what is kept is the snapshot before the last, under the name of the last',
    breaks: ['1', '3', '4', '5', '6'],
    needs: ['memberCrash', 'memberJoin'],
    profile: snapshots,
    install: () => {
      const former = new WeakMap<SharedLogs, Map<number, Snapshot>>();
      return patch(SharedLogs.prototype, 'saveSnapshot', (original) => {
        return function (this: SharedLogs, shard: number, snapshot: Snapshot) {
          const kept = former.get(this) ?? new Map<number, Snapshot>();
          former.set(this, kept);
          original.call(this, shard, { ...snapshot, chunks: (kept.get(shard) ?? snapshot).chunks });
          kept.set(shard, snapshot);
        };
      });
    },
  },
  {
    name: 'a stream that is opened again at another owner goes on too late',
    breaks: ['3'],
    needs: ['memberStop', 'memberJoin', 'memberFreeze'],
    install: () =>
      patch(ShardCursors.prototype, 'of', (original) => {
        return function (this: ShardCursors, shards: readonly number[]) {
          const { logId, cursors } = original.call(this, shards);
          return { logId, cursors: cursors.map((field, i) => (i % 2 === 0 || field < 3 ? field : field + 2)) };
        };
      }),
  },
];
