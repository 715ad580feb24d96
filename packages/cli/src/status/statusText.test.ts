import { describe, expect, it } from 'vitest';
import { readCluster } from './readCluster.js';
import { statusText } from './statusText.js';

function textOf(answer: object, problem: string | null = null): string {
  const cluster = readCluster(JSON.stringify(answer));
  if (cluster === null) throw new Error('not read');
  return statusText(problem, cluster);
}

const NODE = { id: 'a', endpoint: 'ws://a', partitions: 271, shards: 32, lag: 0, ready: true, sessions: 1, records: 2 };

describe('the state of a cluster as text', () => {
  it('is a table of its nodes', () => {
    const text = textOf({
      clusterId: 'c',
      mapVersion: 7,
      partitionCount: 271,
      shardCount: 2,
      leader: 'b',
      nodes: [NODE, { ...NODE, id: 'b', standbys: 3, lag: null, ready: null, sessions: null, records: null }],
      owners: ['a', 'b'],
      epochs: [1, 4],
      standbys: [['b'], ['a']],
    });
    expect(text.split('\n')).toEqual([
      'ready',
      'cluster c  map version 7  partitions 271  shards 2  leader b  epochs 1 to 4',
      '',
      'NODE  ENDPOINT  STATE    PARTITIONS  SHARDS  STANDBYS  LAG  SESSIONS  RECORDS',
      'a     ws://a    ready    271         32      0         0    1         2',
      'b     ws://a    unknown  271         32      3         -    -         -',
    ]);
  });

  it('says what is missing', () => {
    const text = textOf(
      {
        mapVersion: 1,
        nodes: [NODE, { ...NODE, id: 'b', ready: false, problem: 'NATS is away' }],
        owners: ['a', null],
        standbys: [[], ['a']],
      },
      'restoring',
    );
    expect(text).toMatch(/^not ready: restoring\n/);
    expect(text).toContain('b: NATS is away');
    expect(text).toContain('1 partitions have no owner');
    expect(text).toContain('1 shards have no standby');
  });

  it('makes do with an answer that tells little, and refuses what is none', () => {
    expect(textOf({ mapVersion: 1, nodes: [{ id: 'a', endpoint: 'ws://a' }] })).toMatch(/a +ws:\/\/a +unknown +0/);
    for (const body of ['', 'null', '[]', '{}', '{"mapVersion":1}', '<html>']) expect(readCluster(body)).toBeNull();
  });
});
