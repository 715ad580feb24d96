interface Regression {
  readonly seed: number;
  readonly was: string;
}

/** Seeds of a single node that once broke a promise, and what was wrong. They run first, before any others. */
export const SOLE_REGRESSIONS: readonly Regression[] = [
  { seed: 22, was: 'a RESET left rows below pending writes that were refused afterwards' },
  { seed: 28, was: 'a row that was overtaken before a window opened stayed with its author' },
  { seed: 29, was: 'a write acked after a window had opened without it stayed shown' },
  { seed: 40, was: 'two deadlines closer than the smallest step of time' },
  { seed: 97, was: 'a set sent in full was merged into elements whose removal was forgotten' },
  { seed: 226, was: 'a row overtaken within one flush stayed with its author' },
  { seed: 384, was: 'a row overtaken within one flush stayed with its author' },
  {
    seed: 2159,
    was: 'an addition that was pending was offered to another log besides, under the timestamp before its correction',
  },
  { seed: 4324, was: 'writes made offline were stamped below pending ones of the process before' },
  { seed: 17517, was: 'a row came back when a write was refused that had come to its deadline before it was seen' },
  {
    seed: 52081,
    was: 'the clock of a process was wrong by what one before it had written offline, long after it was set right',
  },
  ...[64875, 75696].map((seed) => ({
    seed,
    was: 'removals that were offered to two logs had one name, and another content for the second',
  })),
  { seed: 84753, was: 'a write that was acked was gone until a reader that is slow had been told of its row' },
  { seed: 93123, was: 'a row of a closed query was gone once a write on top of it was refused' },
  { seed: 20672, was: 'a row past its deadline stayed in a query when the clock was set right' },
];

/** Seeds of clusters, likewise. */
export const CLUSTER_REGRESSIONS: readonly Regression[] = [
  { seed: 3345, was: 'a node that joined as two maps came at once acted on the first of them' },
  { seed: 180, was: 'rows that were on their way from one node took away what another had acked' },
  ...[1048, 1274, 1662, 2127, 7052].map((seed) => ({
    seed,
    was: 'a write that another node acked was gone until its row came',
  })),
  ...[3569, 8899].map((seed) => ({
    seed,
    was: 'a row that one stream had brought was gone until another one, which was behind, brought it too',
  })),
  { seed: 5383, was: 'a node that was succeeded took back what was in storage' },
  {
    seed: 5147,
    was: 'a stream that was opened before an owner heard of a write took it back after another node had acked it',
  },
  { seed: 3531, was: 'a pending write was shown again after a later one that was acked had been overtaken' },
  {
    seed: 4080,
    was: 'a client waited ever longer for a node whose connections ended with the token, and never failed',
  },
  { seed: 9420, was: 'a connection was cut long after all was to be quiet' },
  { seed: 5811, was: 'a row that was acked, and removed before a query of it was opened, stayed in the query' },
  { seed: 6661, was: 'the token was renewed for the connection that was made last, too late for the others' },
  { seed: 7193, was: 'a row that was acked, and removed before its map was read anywhere, stayed in the map' },
];
