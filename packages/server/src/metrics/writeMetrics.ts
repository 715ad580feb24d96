import type { ClusterMembership } from '../cluster/ClusterMembership.js';
import type { DataPlaneStats } from '../shard/DataPlane.js';
import type { Counters, Tally } from './Counters.js';
import { MetricsText, type Sample } from './MetricsText.js';
import type { ProcessProbe } from './ProcessProbe.js';
import { writeShards } from './writeShards.js';

/** What `GET /metrics` tells of. The node counts in plain numbers; they are brought into form only when somebody asks. */
export interface MetricSources {
  readonly counters: Counters;
  readonly probe: ProcessProbe;
  readonly sessions: number;
  readonly topics: number;
  readonly plane: DataPlaneStats;
  /** Null: the node is alone. */
  readonly membership: Pick<ClusterMembership, 'map' | 'stats'> | null;
}

export function writeMetrics(sources: MetricSources): string {
  const text = new MetricsText();
  writeSessions(text, sources);
  writeTraffic(text, sources);
  writeOperations(text, sources.counters);
  writeForwarding(text, sources.counters);
  writeData(text, sources.plane);
  writeShards(text, sources.plane, sources.membership);
  writeProcess(text, sources.probe);
  return text.toString();
}

function writeSessions(text: MetricsText, { counters, sessions }: MetricSources): void {
  text.gauge('topgun_sessions', 'Sessions that are open.', [sessions]);
  text.counter('topgun_sessions_opened_total', 'Sessions since start.', [counters.sessionsOpened]);
  text.counter('topgun_auth_succeeded_total', 'Handshakes and renewals.', [counters.authSucceeded]);
  text.counter('topgun_auth_failed_total', 'Refused, by error code.', ...tally(counters.authFailed, 'code'));
  text.counter('topgun_connections_cut_total', 'Ended by the node, by close code.', ...tally(counters.cut, 'code'));
  text.counter(
    'topgun_upgrades_refused_total',
    'Refused before a session existed, by HTTP status.',
    ...tally(counters.upgradesRefused, 'status'),
  );
}

function writeTraffic(text: MetricsText, { counters, topics }: MetricSources): void {
  const both = (received: number, sent: number): Sample[] => [
    [received, { direction: 'in' }],
    [sent, { direction: 'out' }],
  ];
  text.counter('topgun_frames_total', 'Frames, by direction.', ...both(counters.framesIn, counters.framesOut));
  text.counter('topgun_bytes_total', 'Bytes of frames, by direction.', ...both(counters.bytesIn, counters.bytesOut));
  text.counter('topgun_bad_frames_total', 'Frames that could not be taken.', [counters.badFrames]);
  text.counter('topgun_errors_sent_total', 'ERROR messages, by code.', ...tally(counters.errorsSent, 'code'));
  text.gauge('topgun_subscriptions', 'Live queries and topic subscriptions.', [counters.subscriptions]);
  text.counter('topgun_queries_opened_total', 'Live queries since start.', [counters.queriesOpened]);
  text.gauge('topgun_topics', 'Topics that somebody listens to.', [topics]);
  text.counter('topgun_topic_published_total', 'Messages published to topics.', [counters.topicPublished]);
  text.counter('topgun_topic_delivered_total', 'Topic messages sent to subscribers.', [counters.topicDelivered]);
  text.counter('topgun_topic_dropped_total', 'Topic messages that slow subscribers lost.', [counters.topicDropped]);
}

function writeOperations(text: MetricsText, counters: Counters): void {
  text.counter('topgun_ops_received_total', 'Operations that arrived.', [counters.opsReceived]);
  text.counter('topgun_ops_acked_total', 'Operations answered as durable.', [counters.opsAcked]);
  text.counter('topgun_ops_rejected_total', 'Operations refused, by code.', ...tally(counters.opsRejected, 'code'));
}

function writeForwarding(text: MetricsText, counters: Counters): void {
  text.counter('topgun_not_owner_total', 'Answers that another node owns the data.', [counters.notOwner]);
  text.counter(
    'topgun_ops_forwarded_total',
    'Operations handed between nodes for clients, by direction.',
    [counters.opsFromNodes, { direction: 'in' }],
    [counters.opsForwarded, { direction: 'out' }],
  );
  text.counter('topgun_ops_forwarded_again_total', 'Operations that had to be forwarded again.', [
    counters.opsForwardedAgain,
  ]);
  text.gauge('topgun_virtual_sessions', "Sessions of other nodes' clients.", [counters.virtualSessions]);
  text.counter(
    'topgun_query_parts_total',
    'Streams opened for live queries of own clients, by where they are.',
    [counters.queryPartsHere, { place: 'here' }],
    [counters.queryPartsElsewhere, { place: 'elsewhere' }],
  );
  text.counter('topgun_node_links_opened_total', 'Ways to other nodes that were opened.', [counters.linksOpened]);
  text.counter('topgun_node_links_broken_total', 'Ways to other nodes that broke.', [counters.linksBroken]);
}

function writeData(text: MetricsText, { totals, streams, appendLatency }: DataPlaneStats): void {
  text.gauge('topgun_records', 'Records held, tombstones included.', [totals.records]);
  text.counter('topgun_appends_total', 'Log records appended.', [totals.appends]);
  text.counter('topgun_ops_applied_total', 'Operations that changed a record.', [totals.opsApplied]);
  text.gauge('topgun_queued_bytes', 'Bytes of operations that wait for the log.', [totals.queuedBytes]);
  text.gauge('topgun_log_bytes', 'Bytes of log records since the last snapshots.', [totals.logBytes]);
  text.gauge('topgun_streams', 'Open streams of live queries.', [streams]);
  text.histogram(
    'topgun_append_seconds',
    'Time until an appended log record is durable.',
    appendLatency.bounds.map((ms) => ms / 1000),
    appendLatency.counts,
    appendLatency.sumMs / 1000,
  );
}

function writeProcess(text: MetricsText, probe: ProcessProbe): void {
  const { p50, p99, max } = probe.eventLoopDelay();
  text.gauge(
    'topgun_event_loop_delay_seconds',
    'Delay of the event loop since the last scrape.',
    [p50, { quantile: '0.5' }],
    [p99, { quantile: '0.99' }],
    [max, { quantile: '1' }],
  );
  text.gauge('process_resident_memory_bytes', 'Memory of the process.', [probe.residentBytes()]);
  text.counter('process_cpu_seconds_total', 'CPU time of the process.', [probe.cpuSeconds()]);
}

function tally<Label extends string | number>(counts: Tally<Label>, label: string): Sample[] {
  return [...counts.entries()].map(([name, count]): Sample => [count, { [label]: name }]);
}
