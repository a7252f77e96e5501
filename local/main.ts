import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { createConsole } from './console.ts'
import { Demo } from './demo.ts'
import { podText, trafficText } from './page/event-text.ts'
import { buildPageServer } from './page/page-server.ts'
import { freePort } from './pods/addresses.ts'
import { playScenario } from './scenario/scenario.ts'
import { pickUsers } from './scenario/users.ts'

const HELP = `npm run demo [-- --once]

Runs the real hooks, sidecars and balancer on this machine, without Kubernetes: pods are processes on addresses of their own
(127.0.0.x). Opens a page on which users chat across pods, with buttons that scale, kill and restart. Ctrl-C ends it.

  --once   plays the same without the page: messages across pods, scale up, restart all pods, kill a pod, scale down, and no
           client loses its connection. Says what it saw and exits with 0, or with 1 where something was not as it should be.
  --help   this text
`

/** Where the page is; another port is used where this one is taken. */
const PAGE = { host: '127.0.0.1', port: 3100 }
const CHATTERS = 3
/** One Ctrl-C can arrive as several signals: from the terminal and from the programs in between. */
const SECOND_SIGNAL_MS = 500

/** Resolves with the first signal that asks to end; a later one ends at once. */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let first = 0
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (first === 0) {
          first = Date.now()
          resolve(signal)
        } else if (Date.now() - first > SECOND_SIGNAL_MS) process.exit(1)
      })
    }
  })
}

async function main(): Promise<number> {
  let options: { once?: boolean | undefined; help?: boolean | undefined }
  try {
    options = parseArgs({ options: { once: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }).values
  } catch (error) {
    process.stderr.write(`demo: ${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const end = signalled()
  const console = createConsole(line => process.stdout.write(`${line}\n`))
  console.title('ws-operator demo: the real hooks, sidecars and balancer on this machine, without Kubernetes')
  let demo: Demo | undefined
  let page: FastifyInstance | undefined
  const run = async (): Promise<number> => {
    await Demo.start(console, created => {
      demo = created
      created.listen({
        changed: () => {},
        podChanged: pod => console.event(podText(pod).text),
        // The scenario says itself what it sees.
        traffic: event => options.once || console.event(trafficText(event).text),
      })
    })
    const running = demo as Demo
    if (options.once) return (await playScenario(running, console)) ? 0 : 1
    page = await buildPageServer(running, pickUsers(running.members, CHATTERS))
    const port = await freePort(PAGE.host, PAGE.port, 'the page', console.detail)
    await page.listen({ ...PAGE, port })
    console.step(`Open http://${PAGE.host}:${port}   (Ctrl-C ends everything)`)
    await end
    return 0
  }
  let code = 1
  try {
    code = await Promise.race([run(), end.then(() => (options.once ? 130 : 0))])
  } catch (error) {
    console.failure((error as Error).message)
  }
  console.step('End: no pod is a member any more, then apps, sidecars, balancer and hooks end')
  await page?.close()
  await demo?.stop()
  console.detail('nothing runs any more')
  return code
}

if (import.meta.main) {
  // Handles of a start that was interrupted must not keep it from ending; what still runs ends with it.
  process.exit(await main())
}
