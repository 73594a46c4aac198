# What a workspace plans and applies. It needs no provider and no account anywhere.
variable "shops" {
  type    = set(string)
  default = ["springs"]
}

resource "terraform_data" "shop" {
  for_each = var.shops
  input    = each.key
}

output "shops" {
  value = [for shop in terraform_data.shop : shop.output]
}
