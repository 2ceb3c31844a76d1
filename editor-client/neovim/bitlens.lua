-- Put this file into ~/.config/nvim/lsp/ and say vim.lsp.enable('bitlens') in init.lua. Neovim 0.11 or newer.

return {
  cmd = { 'bitlens', 'server' },
  filetypes = { 'python' },
  root_markers = { 'pyproject.toml', 'setup.py', '.git' },
  -- Measuring runs the code of your project. Leave this out for projects that you do not trust.
  init_options = { trusted = true },
  settings = { bitlens = {} },
  on_attach = function(client, buffer)
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
    local uri = vim.uri_from_bufnr(buffer)
    local function command(name, what)
      vim.api.nvim_buf_create_user_command(buffer, name, function()
        client:request('workspace/executeCommand', { command = what, arguments = { uri } }, nil, buffer)
      end, {})
    end
    command('BitlensMeasure', 'bitlens.measure')
    command('BitlensCancel', 'bitlens.cancel')
    command('BitlensTree', 'bitlens.modelTree')
    command('BitlensToggle', 'bitlens.toggleHints')
    vim.api.nvim_create_autocmd({ 'BufEnter', 'InsertLeave', 'BufWritePost' }, {
      buffer = buffer,
      callback = function() vim.lsp.codelens.refresh({ bufnr = buffer }) end,
    })
    vim.lsp.codelens.refresh({ bufnr = buffer })
  end,
}
