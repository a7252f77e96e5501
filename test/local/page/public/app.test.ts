import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import t from 'tap'
import { createConsole } from '../../../../local/console.ts'
import { Demo } from '../../../../local/demo.ts'
import { buildPageServer } from '../../../../local/page/page-server.ts'
import { pickUsers } from '../../../../local/scenario/users.ts'
import { waitFor } from '../../../helpers/wait.ts'

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = process.env['CHROMIUM'] ?? CANDIDATES.find(path => existsSync(path))
const skip = executablePath ? false : 'no Chromium is here: install it, or name one in CHROMIUM'
/** Machines that run tests are busy. */
const TIMEOUT_MS = 45_000

t.setTimeout(300_000)

t.test('the page in Chromium', { skip }, async t => {
  const said: string[] = []
  let demo: Demo | undefined
  let browser: Browser | undefined
  t.teardown(async () => {
    await browser?.close()
    await demo?.stop()
  })
  await Demo.start(
    createConsole(line => said.push(line)),
    created => {
      demo = created
    },
  )
  const running = demo as unknown as Demo
  const chatters = pickUsers(running.members, 3)
  const [first, second] = chatters as [string, string]
  const server = await buildPageServer(running, chatters)
  t.teardown(() => server.close())
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  browser = await chromium.launch({
    ...(executablePath && { executablePath }),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  const page = await browser.newPage({ viewport: { width: 1366, height: 768 } })
  page.setDefaultTimeout(TIMEOUT_MS)
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => message.type() === 'error' && problems.push(message.text()))
  await page.goto(url)

  await t.test('users are connected, each on a pod of their own, and the map shows it', async t => {
    for (const user of chatters) await chat(page, user).locator('text=/^on chat-/').waitFor()
    const pods = await Promise.all(chatters.map(user => podOf(page, user)))
    t.equal(new Set(pods).size, 3)
    t.equal(await page.locator('.pod[data-state="ready"]').count(), 3)
    t.equal(await page.locator('#balancer[data-state="ready"]').count(), 1)
    t.equal(await page.locator('#wires .wire').count(), 3)
  })

  await t.test('a message crosses from pod to pod, both see it, and so does the map', async t => {
    await write(page, first, second, 'hello <b>there</b>')
    await page.locator('#flights .hop').waitFor({ state: 'attached' })
    await chat(page, second).getByText('hello <b>there</b>').waitFor()
    await chat(page, first).getByText('hello <b>there</b>').waitFor()
    t.equal(await page.locator('.messages b').count(), 0, 'what users write is text')
    await page.locator('#log').getByText(`message from ${first} to ${second} went from`).waitFor()
    await write(page, second, first, 'hello back')
    await chat(page, first).getByText('hello back').waitFor()
    await waitFor(
      async () => (await page.locator('#counter-crossed').textContent()) === '2',
      'two have crossed',
      TIMEOUT_MS,
    )
    t.equal(await page.locator('#counter-undelivered').textContent(), '0')
  })

  await t.test('who wants less motion gets a line that fades, and no dot', async t => {
    await page.locator('#flights .hop').first().waitFor({ state: 'detached' })
    await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'dark' })
    await write(page, first, second, 'calm')
    await page.locator('#flights .hop').waitFor({ state: 'attached' })
    t.equal(await page.locator('#flights .dot').count(), 0)
    await page.emulateMedia({ reducedMotion: 'no-preference', colorScheme: 'light' })
  })

  await t.test('all pods are restarted one after the other, nobody is cut, and messages arrive', async t => {
    const before = running.chat.ready.map(({ name }) => name)
    await page.getByRole('button', { name: 'Restart all pods' }).click()
    const old = () => running.chat.pods.filter(({ name }) => before.includes(name))
    await waitFor(() => old().length === 0, 'no old pod is left', 60_000)
    await settled(page, 3)
    await running.settled()
    await write(page, first, second, 'still here')
    await chat(page, second).getByText('still here').waitFor()
    t.equal(running.chat.ready.length, 3)
    t.equal(running.traffic.counters.cut, 0)
  })

  await t.test('scale up adds a pod', async t => {
    await page.getByRole('button', { name: 'Scale up' }).click()
    await settled(page, 4)
    t.equal(running.chat.ready.length, 4)
  })

  await t.test('a pod is killed: its user is on another one, with the same connection', async t => {
    const before = await podOf(page, first)
    await page.getByRole('button', { name: `Kill pod ${before}` }).click()
    const now = () => podOf(page, first)
    await waitFor(async () => (await now()).startsWith('chat-') && (await now()) !== before, 'moved', TIMEOUT_MS)
    // The pod that comes in its place takes some users over.
    await settled(page, 4)
    await running.settled()
    await write(page, second, first, 'are you there?')
    await chat(page, first).getByText('are you there?').waitFor()
    t.equal(running.traffic.counters.cut, 0)
  })

  await t.test('it works with the keyboard, and everything has a name', async t => {
    await chat(page, second)
      .getByRole('textbox', { name: `${second}'s message` })
      .focus()
    await page.keyboard.type('typed')
    await page.keyboard.press('Enter')
    await chat(page, second).getByText('typed').waitFor()
    for (const control of await page.locator('button, input, select').all()) {
      const name = (await control.getAttribute('aria-label')) ?? (await control.textContent()) ?? ''
      t.not(name.trim(), '')
    }
    t.equal(await page.locator('#log[role="log"][aria-live="polite"]').count(), 1)
  })

  t.strictSame(
    problems.filter(text => !text.includes('WebSocket connection to')),
    [],
    'no error in the page but lost connections',
  )
})

const chat = (page: Page, user: string) => page.getByRole('article', { name: `Chat of ${user}` })

async function podOf(page: Page, user: string): Promise<string> {
  const [, pod = ''] = /^on ([\w-]+)/.exec((await chat(page, user).locator('.where').textContent()) ?? '') ?? []
  return pod
}

async function write(page: Page, from: string, to: string, text: string): Promise<void> {
  const panel = chat(page, from)
  await panel.getByRole('combobox').selectOption(to)
  await panel.getByRole('textbox', { name: `${from}'s message` }).fill(text)
  await panel.getByRole('button', { name: 'Send' }).click()
}

/** Waits until that many pods are ready, and each user is connected to the pod they belong to. */
async function settled(page: Page, pods: number): Promise<void> {
  const count = (selector: string) => page.locator(selector).count()
  const look = async () =>
    (await count('.pod[data-state="ready"]')) === pods &&
    (await count('.chip')) === 3 &&
    (await count('.chip.moved')) === 0
  await waitFor(look, `${pods} pods are ready and all users at theirs`, TIMEOUT_MS)
}
