-- Leaves the version that serves for the one that worked before.
local os = require("os")
local status = obj.status or {}
local version = status.stable
if version == nil then
  error("nothing serves", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["modelramp.io/request"] = "rollback/" .. version.revision .. "/argocd-" .. os.time()
return obj
