import type { Cluster } from './cluster.ts'
import { waitFor } from './wait.ts'

/** A rollout of a few pods, one after the other, with their grace periods. */
export const ROLLOUT_MS = 180_000

/**
 * Waits until all pods of a Deployment are of its latest revision and available (ready for `minReadySeconds`), and no others are left that are
 * not on their way out.
 */
export async function rolledOut({ api }: Cluster, namespace: string, name: string): Promise<void> {
  const deployments = await api.resource('apps/v1', 'deployments')
  await waitFor(
    `the Deployment ${name} is rolled out`,
    async () => {
      const { spec, status, metadata } = await api.get(deployments, namespace, name)
      const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status ?? {}
      const done = [replicas, updatedReplicas, availableReplicas].every(count => count === spec.replicas)
      return done && observedGeneration === metadata.generation
    },
    ROLLOUT_MS,
  )
}
