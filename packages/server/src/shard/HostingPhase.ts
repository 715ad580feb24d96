import type { Timer } from '@topgunbuild/core';
import type { Follower } from './Follower.js';
import type { LogExtent } from './LogExtent.js';
import type { Restoration } from './Restoration.js';
import type { ShardStore } from './ShardStore.js';
import type { ShardWriter } from './ShardWriter.js';
import type { Takeover } from './Takeover.js';

/** The data of a shard at this node. */
export interface Holding {
  readonly store: ShardStore;
  readonly extent: LogExtent;
}

/*
 *   absent ──> restoring ──> standby ──> opening ──> serving ──> closing ──> standby | absent
 *                  ^            │ ^         │           │
 *                  │            │ └─────────┴─ fenced <─┘
 *                  └── a record is missing
 *
 * Each arrow is taken as soon as the role asks for it and the one before is through: one change at a time, whatever roles
 * were given meanwhile.
 */
export type HostingPhase =
  | { readonly name: 'absent' }
  | { readonly name: 'restoring'; readonly restoration: Restoration }
  | { readonly name: 'standby'; readonly holding: Holding; readonly follower: Follower }
  | { readonly name: 'opening'; readonly holding: Holding; readonly takeover: Takeover; readonly epoch: number }
  | { readonly name: 'serving'; readonly holding: Holding; readonly writer: ShardWriter; readonly epoch: number }
  /** What is on its way to the log is waited for, up to `timer`. */
  | {
      readonly name: 'closing';
      readonly holding: Holding;
      readonly writer: ShardWriter;
      readonly timer: Timer;
      readonly done: Promise<void>;
    }
  /** Somebody else has written to the log. After a pause the log tells more. */
  | { readonly name: 'fenced'; readonly holding: Holding; readonly timer: Timer }
  | { readonly name: 'closed' };
