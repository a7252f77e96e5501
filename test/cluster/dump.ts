import { kubectl } from './kubectl.ts'

const LINES = 60

/** What a person needs to see why a test failed: objects, events and the ends of logs of some namespaces. */
export async function dump(namespaces: readonly string[]): Promise<string> {
  const parts: string[] = []
  const add = async (...args: string[]) => {
    const text = await kubectl(args).catch((error: Error) => error.message)
    parts.push(`--- kubectl ${args.join(' ')}`, text)
  }
  for (const namespace of namespaces) {
    const here = ['-n', namespace]
    await add('get', 'all,websocketbalancers,endpointslices', ...here, '-o', 'wide')
    await add('get', 'events', ...here, '--sort-by=.lastTimestamp')
    await add('describe', 'deployments,websocketbalancers', ...here)
    const pods = await kubectl(['get', 'pods', ...here, '-o', 'name']).catch(() => '')
    for (const pod of pods.split('\n').filter(Boolean)) {
      await add('logs', pod, ...here, '--all-containers', '--prefix', `--tail=${LINES}`)
    }
  }
  return parts.join('\n')
}
